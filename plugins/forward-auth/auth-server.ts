// AuthServer: asks another server whether a request may pass, over kept connections, with a timeout.
import type { Agent, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { toError } from '../../core/errors.ts';
import type { Clock } from '../../core/time/clock.ts';

/** The response. Fields as received, name and value in turn. */
export interface AuthAnswer {
  readonly status: number;
  readonly fields: readonly string[];
  /** Undefined if it was too long. */
  readonly body: Buffer | undefined;
}

/** How to ask the server. */
export interface AuthServerOptions {
  readonly url: URL;
  readonly clock: Clock;
  /** From the question to the end of the response, ms. */
  readonly timeout: number;
  /** The most bytes of a body. */
  readonly maxBody: number;
}

type Done = (error: Error | undefined, answer: AuthAnswer | undefined) => void;

/** Idle connections that are kept. */
const maxIdle = 64;
const idleMs = 30_000;

/** One auth server. */
export class AuthServer {
  private readonly options: AuthServerOptions;
  private readonly http: typeof import('node:http') | typeof import('node:https');
  private readonly agent: Agent;

  constructor(options: AuthServerOptions) {
    this.options = options;
    const settings = { keepAlive: true, maxFreeSockets: maxIdle, timeout: idleMs };
    if (options.url.protocol === 'https:') {
      const https = process.getBuiltinModule('node:https');
      this.http = https;
      this.agent = new https.Agent(settings);
    } else {
      const http = process.getBuiltinModule('node:http');
      this.http = http;
      this.agent = new http.Agent(settings);
    }
  }

  /**
   * Sends a GET with these fields; `done` is called once, later. Returns a function that aborts, after which `done` is not
   * called. If the server closes a kept connection at that moment, it is asked once more.
   */
  ask(headers: OutgoingHttpHeaders, done: Done): () => void {
    const { clock, timeout } = this.options;
    let isOver = false;
    let abort = (): void => {};
    const settle: Done = (error, answer) => {
      if (isOver) return;
      isOver = true;
      cancelTimer();
      abort();
      done(error, answer);
    };
    const cancelTimer = clock.after(timeout, () =>
      settle(new Error(`it did not answer within ${timeout} ms`), undefined),
    );
    const begin = (mayRepeat: boolean): void => {
      try {
        abort = this.send(headers, (error, answer, wasStale) => {
          if (wasStale && mayRepeat && !isOver) begin(false);
          else settle(error, answer);
        });
      } catch (thrown) {
        // Node refuses to send a field.
        process.nextTick(settle, toError(thrown));
      }
    };
    begin(true);
    return () => {
      if (isOver) return;
      isOver = true;
      cancelTimer();
      abort();
    };
  }

  close(): void {
    this.agent.destroy();
  }

  private send(
    headers: OutgoingHttpHeaders,
    done: (error: Error | undefined, answer: AuthAnswer | undefined, wasStale: boolean) => void,
  ): () => void {
    const request = this.http.request(this.options.url, { agent: this.agent, headers });
    let response: IncomingMessage | undefined;
    let isOver = false;
    const end: Done = (error, answer) => {
      if (isOver) return;
      isOver = true;
      done(error, answer, error !== undefined && request.reusedSocket && response === undefined);
    };
    request.on('response', given => {
      response = given;
      this.read(given, end);
    });
    request.on('error', error => end(error, undefined));
    // There is no error event after a response that would change the protocol.
    request.on('close', () => end(new Error('it closed the connection'), undefined));
    request.end();
    return () => {
      // If the response was read to its end, the connection is reused.
      if (response?.complete !== true) request.destroy();
    };
  }

  private read(response: IncomingMessage, done: Done): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const answer = (body: Buffer | undefined): void =>
      done(undefined, { status: response.statusCode ?? 0, fields: response.rawHeaders, body });
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > this.options.maxBody) answer(undefined);
      else chunks.push(chunk);
    });
    response.on('end', () => answer(Buffer.concat(chunks)));
    response.on('error', error => done(error, undefined));
  }
}
