// Admin client: calls the admin API of a running Weldr.
import type { IncomingMessage } from 'node:http';
import { exitCodes } from '../core/process/exit-codes.ts';
import type { AdminTlsFiles } from './admin-tls.ts';
import { CommandError } from './command-error.ts';
import type { ReadMessage } from './stream-reading.ts';
import { printable } from './table.ts';

/** The default address of the admin-api plugin. */
export const defaultAdminUrl = 'http://127.0.0.1:8687';

/** The most bytes of an answer: enough for a list of 50,000 servers. */
const maxAnswer = 64 * 1024 * 1024;

/** The longest silence of a stream, which sends something at least every 15 s; ms. */
const silentFor = 40_000;

/** How long to wait for an answer. */
export interface Patience {
  /** ms; default 30 000. */
  readonly timeoutMs?: number;
  /** Aborts the call. */
  readonly signal?: AbortSignal;
}

/** A call to the admin API. */
export interface AdminCall extends Patience {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query, such as `/servers?wait`. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/** The admin API cannot be reached, or does not answer in time. */
export class UnreachableError extends CommandError {
  /** The system's reason. */
  readonly reason: string;

  constructor(message: string, reason: string) {
    super(message, exitCodes.unavailable);
    this.reason = reason;
  }
}

const noFiles: AdminTlsFiles = { ca: undefined, cert: undefined, key: undefined };

/** The admin API at one address. */
export class AdminClient {
  private readonly base: URL;
  private readonly token: string | undefined;
  private readonly files: AdminTlsFiles;

  /**
   * Throws a usage error for an invalid `url`. `token` is the bearer token, if one is needed; `files` are for https:// only.
   */
  constructor(url: string, token: string | undefined, files: AdminTlsFiles = noFiles) {
    if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) {
      throw new CommandError(
        `--admin-url: expected a URL such as ${defaultAdminUrl}, got ${url}`,
        exitCodes.usage,
      );
    }
    this.base = new URL(url);
    this.token = token;
    this.files = files;
  }

  /** Returns the answer's JSON. Throws a CommandError with the API's message when it refuses, or an UnreachableError. */
  async call(call: AdminCall): Promise<unknown> {
    const { status, answer } = await this.ask(call);
    if (status >= 400) throw new CommandError(refusal(status, answer));
    return answer;
  }

  /** Like `call`, but returns undefined for a 404: the plugin that serves the path is not loaded. */
  async find(path: string, patience: Patience = {}): Promise<unknown> {
    const { status, answer } = await this.ask({ method: 'GET', path, ...patience });
    if (status === 404) return undefined;
    if (status >= 400) throw new CommandError(refusal(status, answer));
    return answer;
  }

  /** Its scheme, host and port. */
  get origin(): string {
    return this.base.origin;
  }

  private async ask({ method, path, body, timeoutMs = 30_000, signal }: AdminCall) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const timeout = AbortSignal.timeout(timeoutMs);
    const ending = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
    const [status, answer] = await this.exchange(method, path, text, ending);
    let parsed: unknown;
    try {
      parsed = answer === '' ? undefined : JSON.parse(answer);
    } catch {
      const why = speaksTls.test(answer) ? `it speaks TLS, use https://${this.base.host}` : whatIsIt;
      throw new CommandError(`${this.base.origin} answers ${status} without JSON: ${why}`);
    }
    return { status, answer: parsed };
  }

  private async exchange(
    method: string,
    path: string,
    text: string | undefined,
    signal: AbortSignal,
  ): Promise<[status: number, body: string]> {
    const request = { method, path, text, signal, accept: 'application/json' };
    return await this.reach(request, async response => [response.statusCode ?? 0, await readText(response)]);
  }

  /**
   * Follows a stream of events until it ends; with `lastEventId` it resumes after that event. Throws as `call` does, and an
   * UnreachableError when the connection breaks or is silent for longer than Weldr ever is.
   */
  async *follow(
    path: string,
    { lastEventId, signal }: { readonly lastEventId: string | undefined; readonly signal: AbortSignal },
  ): AsyncGenerator<ReadMessage, void> {
    const { readMessages } = await import('./stream-reading.ts');
    const accept = 'text/event-stream';
    const request = { method: 'GET', path, text: undefined, signal, accept, lastEventId };
    const response = await this.reach(request, async response => {
      const status = response.statusCode ?? 0;
      if (status >= 400) {
        const words = refusal(status, parsedOrNothing(await readText(response)));
        throw status === 503 ? new UnreachableError(words, words) : new CommandError(words);
      }
      if (response.headers['content-type']?.startsWith(accept)) return response;
      throw new CommandError(`${this.base.origin} has no streams of events: ${whatIsIt}`);
    });
    response.setTimeout(silentFor, () => response.destroy(new Error('it is silent')));
    response.setEncoding('utf8');
    try {
      yield* readMessages(response);
    } catch (thrown) {
      if (thrown instanceof CommandError) throw thrown;
      throw this.unreachable(reasonOf(thrown));
    } finally {
      response.destroy();
    }
  }

  /** Sends a request and reads its answer with `read`. Rejects with a CommandError. */
  private async reach<T>(
    { method, path, text, signal, accept, lastEventId }: SentRequest,
    read: (response: IncomingMessage) => Promise<T>,
  ): Promise<T> {
    const url = new URL(this.base.pathname.replace(/\/$/, '') + path, this.base);
    // Loaded on demand: `weldr start` does not need it.
    const tls = url.protocol === 'https:' ? await import('./admin-tls.ts') : undefined;
    const { request: send } = tls === undefined ? await import('node:http') : await import('node:https');
    const answered = Promise.withResolvers<IncomingMessage>();
    const request = send(
      url,
      {
        method,
        signal,
        ...tls?.readAdminTls(this.files),
        headers: {
          accept,
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
          ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
          ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
        },
      },
      answered.resolve,
    );
    request.on('error', answered.reject);
    request.end(text);
    try {
      return await read(await answered.promise);
    } catch (thrown) {
      if (thrown instanceof CommandError) throw thrown;
      const problem = tls?.tlsProblem(thrown, url, this.files);
      if (problem !== undefined) throw new CommandError(problem, exitCodes.unavailable);
      throw this.unreachable(reasonOf(thrown));
    }
  }

  private unreachable(reason: string): UnreachableError {
    return new UnreachableError(
      `no admin API answers at ${this.base.origin} (${reason}): is Weldr running, with the adminApi plugin? ` +
        'Another address: --admin-url URL or WELDR_ADMIN',
      reason,
    );
  }
}

/** A request on its way. */
interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly text: string | undefined;
  readonly signal: AbortSignal;
  readonly accept: string;
  readonly lastEventId?: string | undefined;
}

function parsedOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const whatIsIt = "is it Weldr's admin API?";

/** The plain-text answer of a Weldr whose port speaks TLS. */
const speaksTls = /^this port speaks TLS\b/;

async function readText(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of response) {
    length += piece.length;
    if (length > maxAnswer) throw new CommandError('the answer of the admin API is over 64 MB');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.name === 'TimeoutError' || thrown.name === 'AbortError') return 'no answer in time';
  return thrown instanceof AggregateError || thrown.message === ''
    ? String(Reflect.get(thrown, 'code') ?? thrown.name)
    : thrown.message;
}

/** The plugin that serves the path named in a 404; undefined when unknown. */
function pluginOf(words: string): string | undefined {
  const path = /^there is no (\/[a-z]+)/.exec(words)?.[1];
  return path === undefined
    ? undefined
    : { '/stats': 'stats()', '/cluster': 'etcd()', '/routes': 'routes([])' }[path];
}

/** The message of a problem (RFC 9457). */
function refusal(status: number, problem: unknown): string {
  if (typeof problem === 'object' && problem !== null) {
    // `GET /readyz` has a reason.
    const text = ['detail', 'title', 'reason']
      .map(name => Reflect.get(problem, name))
      .find(part => typeof part === 'string');
    if (typeof text === 'string') {
      const words = text.split('\n').map(printable).join('\n');
      if (status === 401) return `${words}: set WELDR_ADMIN_TOKEN to the token of the admin API`;
      const plugin = status === 404 ? pluginOf(words) : undefined;
      return plugin === undefined ? words : `${words}; add ${plugin} to the plugins of its config`;
    }
  }
  return `the admin API answers ${status}`;
}
