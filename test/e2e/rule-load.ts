// RuleLoad: requests over kept HTTP/1.1 and HTTP/2 connections, each checked against the rules active when it was sent.
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { RuleHistory } from './rule-history.ts';

/** What a load requests. */
export interface RuleLoadOptions {
  /** The URL of a listener with `h2c`. */
  readonly url: string;
  readonly history: RuleHistory;
  /** The paths that are requested in turn, with the rule of each. */
  readonly paths: Readonly<Record<string, string>>;
  /** Loops of requests; half of them speak HTTP/2. Default: 8. */
  readonly clients?: number;
  /** Between two requests of a client, ms; default 1. */
  readonly pauseMs?: number;
}

/** Which rule and origin answered. */
interface Answer {
  readonly status: number;
  readonly rule: string | undefined;
  readonly origin: string | undefined;
}

type Ask = (path: string) => Promise<Answer>;

/** A load that runs from its construction until `stop`. */
export class RuleLoad {
  /** Failed requests, and those that met an old rule. */
  readonly problems: string[] = [];
  answered = 0;
  private readonly options: RuleLoadOptions;
  private readonly agent: Agent;
  private readonly sessions: H2Session[] = [];
  private readonly loops: Promise<void>[];
  private over = false;

  constructor(options: RuleLoadOptions) {
    this.options = options;
    const { url, clients = 8 } = options;
    this.agent = new Agent({ connections: clients });
    this.loops = Array.from({ length: clients }, (_, n) => {
      if (n % 2 === 0) return this.loop(n, path => this.overH1(path));
      const session = new H2Session(url);
      this.sessions.push(session);
      return this.loop(n, path => session.ask(path));
    });
  }

  /** Resolves when this many more requests are over. */
  async more(requests: number): Promise<void> {
    const end = this.answered + requests;
    while (this.answered < end && this.problems.length === 0) await sleep(5);
  }

  async stop(): Promise<void> {
    this.over = true;
    await Promise.all(this.loops);
    await this.agent.close();
    for (const session of this.sessions) session.close();
  }

  private async loop(first: number, ask: Ask): Promise<void> {
    const { history, paths, pauseMs = 1 } = this.options;
    const all = Object.entries(paths);
    for (let n = first; !this.over; n++) {
      const [path, rule] = all[n % all.length] ?? ['', ''];
      const sentAt = performance.now();
      try {
        const { status, rule: by = 'none', origin = 'none' } = await ask(path);
        const said = `${by} from ${origin}`;
        const problem =
          status === 200 ? history.problem(rule, said, sentAt, performance.now()) : `${path}: ${status}`;
        if (problem !== undefined) this.problems.push(problem);
      } catch (thrown) {
        this.problems.push(`${path}: ${thrown}`);
      }
      this.answered++;
      await sleep(pauseMs);
    }
  }

  private async overH1(path: string): Promise<Answer> {
    const { statusCode, headers, body } = await request(`${this.options.url}${path}`, {
      dispatcher: this.agent,
    });
    await body.dump();
    return { status: statusCode, rule: textOf(headers['x-rule']), origin: textOf(headers['x-origin']) };
  }
}

/** A connection over HTTP/2, replaced when the server accepts no more requests on it. */
class H2Session {
  private readonly url: string;
  private session: ClientHttp2Session | undefined;

  constructor(url: string) {
    this.url = url;
  }

  async ask(path: string): Promise<Answer> {
    for (;;) {
      const answer = await this.try(path);
      // The server has not processed the request (RFC 9113 section 8.7).
      if (answer !== undefined) return answer;
      this.session = undefined;
    }
  }

  close(): void {
    this.session?.close();
  }

  private open(): ClientHttp2Session {
    const session = connect(this.url);
    session.on('error', () => {});
    session.on('goaway', () => {
      if (this.session === session) this.session = undefined;
    });
    return session;
  }

  private async try(path: string): Promise<Answer | undefined> {
    const known = this.session;
    const session = known === undefined || known.closed || known.destroyed ? this.open() : known;
    this.session = session;
    const stream = session.request({ ':path': path });
    return await new Promise((resolve, reject) => {
      let answer: Answer | undefined;
      stream.on('response', headers => {
        const { ':status': status = 0 } = headers;
        answer = { status, rule: textOf(headers['x-rule']), origin: textOf(headers['x-origin']) };
      });
      stream.on('error', () => {});
      stream.on('close', () => {
        const { rstCode } = stream;
        if (rstCode === constants.NGHTTP2_NO_ERROR && answer !== undefined) resolve(answer);
        else if (rstCode === constants.NGHTTP2_REFUSED_STREAM) resolve(undefined);
        else reject(new Error(`the stream was reset with ${rstCode}`));
      });
      stream.resume();
    });
  }
}

function textOf(field: string | string[] | undefined): string | undefined {
  return typeof field === 'string' ? field : field?.join(', ');
}
