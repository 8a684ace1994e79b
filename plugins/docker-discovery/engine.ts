// Engine: calls a container engine over Docker's HTTP API, which Podman has too, with limits on time and length.
import { type IncomingMessage, request } from 'node:http';
import { codeOf } from '../../core/errors/error-code.ts';
import { toError } from '../../core/errors.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { EngineAddress } from './engine-address.ts';

/** How to call an engine. */
export interface EngineOptions {
  readonly address: EngineAddress;
  readonly clock: Clock;
  /** The longest time to a response, ms. */
  readonly timeout: number;
  /** The longest response, bytes. */
  readonly maxAnswer: number;
}

/** A follower of an engine's events. */
export interface EventsFollower {
  /** The stream is connected: later events are received. */
  opened(): void;
  /** There was an event. */
  happened(): void;
  /** The stream has ended; called once. */
  ended(why: string): void;
}

/** Filters of the API: a container must have one of the values of each. */
export type EngineFilters = Readonly<Record<string, readonly string[]>>;

/** One engine. */
export class Engine {
  private readonly options: EngineOptions;
  /** The version of its API; undefined: unknown. */
  private version: string | undefined;
  /** Functions that abort the pending calls. */
  private readonly calls = new Set<() => void>();
  private isClosed = false;

  constructor(options: EngineOptions) {
    this.options = options;
  }

  /** Resolves with the containers that match, as in the API. Rejects with an Error that says what is wrong. */
  async containers(filters: EngineFilters): Promise<readonly unknown[]> {
    try {
      const text = await this.get(await this.path('/containers/json', filters));
      const list: unknown = JSON.parse(text);
      if (Array.isArray(list)) return list;
      throw new Error('its list of containers is malformed');
    } catch (thrown) {
      // Another engine may respond the next time.
      this.version = undefined;
      throw thrown;
    }
  }

  /** Follows events until they end or the returned function is called, after which the follower is not called. */
  follow(filters: EngineFilters, follower: EventsFollower): () => void {
    let isOver = false;
    let stop = (): void => {};
    const end = (why: string): void => {
      if (isOver) return;
      isOver = true;
      stop();
      follower.ended(why);
    };
    this.path('/events', filters).then(
      path => {
        if (isOver) return;
        stop = this.open(
          path,
          response => {
            if (isOver) return;
            follower.opened();
            // The event itself is not parsed, so nothing can be too long.
            response.on('data', (chunk: Buffer) => {
              if (!isOver && chunk.some(byte => byte > 0x20)) follower.happened();
            });
            response.on('end', () => end('it closed the connection'));
          },
          error => end(error.message),
        );
      },
      thrown => end(toError(thrown).message),
    );
    return () => {
      isOver = true;
      stop();
    };
  }

  /** Aborts all pending calls, which fail. */
  close(): void {
    this.isClosed = true;
    for (const abort of this.calls) abort();
  }

  /** Returns the path of a call, in the engine's own version: support for old ones differs. */
  private async path(path: string, filters: EngineFilters): Promise<string> {
    this.version ??= await this.ping();
    return `/v${this.version}${path}?filters=${encodeURIComponent(JSON.stringify(filters))}`;
  }

  private async ping(): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const stop = this.open(
      '/_ping',
      response => {
        const version = String(response.headers['api-version'] ?? '');
        if (/^\d{1,3}\.\d{1,3}$/.test(version)) resolve(version);
        else reject(new Error('it does not report the version of its API; is this a container engine?'));
      },
      reject,
    );
    return await promise.finally(stop);
  }

  private async get(path: string): Promise<string> {
    const { clock, timeout, maxAnswer } = this.options;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const chunks: Buffer[] = [];
    let length = 0;
    const stop = this.open(
      path,
      response => {
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > maxAnswer) {
            reject(new Error(`its response is longer than maxAnswer (${maxAnswer} bytes)`));
          } else chunks.push(chunk);
        });
        response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
      },
      reject,
    );
    const cancelTimer = clock.after(timeout, () =>
      reject(new Error(`it did not answer within ${timeout} ms`)),
    );
    return await promise.finally(() => {
      cancelTimer();
      stop();
    });
  }

  /** Calls `answered` or `failed`; `failed` also if the connection breaks later. Returns a function that ends the call. */
  private open(
    path: string,
    answered: (response: IncomingMessage) => void,
    failed: (error: Error) => void,
  ): () => void {
    if (this.isClosed) {
      failed(new Error('it is no longer asked'));
      return () => {};
    }
    const { address, clock, timeout } = this.options;
    const headers = { host: 'localhost', accept: 'application/json' };
    const call = request({ ...address, path, headers, agent: false });
    const cancelTimer = clock.after(timeout, () =>
      call.destroy(new Error(`it did not answer within ${timeout} ms`)),
    );
    call.on('response', response => {
      cancelTimer();
      response.on('error', failed);
      if (response.statusCode === 200) answered(response);
      else {
        failed(new Error(`it answered ${response.statusCode} to ${path.replace(/\?.*/, '')}`));
        response.resume();
      }
    });
    call.on('error', error => failed(explained(error)));
    call.on('socket', socket => socket.setKeepAlive(true, 30_000));
    call.end();
    const end = (): void => {
      cancelTimer();
      call.destroy();
    };
    const abort = (): void => {
      failed(new Error('it is no longer asked'));
      end();
    };
    this.calls.add(abort);
    call.on('close', () => {
      cancelTimer();
      this.calls.delete(abort);
    });
    return end;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'its socket does not exist; is the engine running?',
  ECONNREFUSED: 'nothing listens there; is the engine running?',
  EACCES: 'Weldr may not open its socket; the group "docker" may',
};

function explained(error: Error): Error {
  const reason = reasons[codeOf(error)];
  return reason === undefined ? error : new Error(reason);
}
