// Engine: asks a container engine over its HTTP API (Docker's, which Podman has as well), with bounds on time and length.
import { type IncomingMessage, request } from 'node:http';
import { toError } from '../../core/errors.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { EngineAddress } from './engine-address.ts';

/** How an engine is asked. */
export interface EngineOptions {
  readonly address: EngineAddress;
  readonly clock: Clock;
  /** Until an answer is there, ms. */
  readonly timeout: number;
  /** Bytes of an answer. */
  readonly maxAnswer: number;
}

/** Who follows the events of an engine. */
export interface EventsFollower {
  /** It is connected: what happens from now on is heard. */
  opened(): void;
  /** Something happened. */
  happened(): void;
  /** It is over, called once. */
  ended(why: string): void;
}

/** Filters of the API: a container has to have one of the values of each. */
export type EngineFilters = Readonly<Record<string, readonly string[]>>;

/** One engine. */
export class Engine {
  private readonly options: EngineOptions;
  /** Of its API; undefined: it has not told. */
  private version: string | undefined;
  /** How to give up each call that is under way. */
  private readonly calls = new Set<() => void>();
  private isClosed = false;

  constructor(options: EngineOptions) {
    this.options = options;
  }

  /** The containers of these filters, as the API has them. Rejects with an Error that says why there are none. */
  async containers(filters: EngineFilters): Promise<readonly unknown[]> {
    try {
      const text = await this.get(await this.path('/containers/json', filters));
      const list: unknown = JSON.parse(text);
      if (Array.isArray(list)) return list;
      throw new Error('its list of containers is none');
    } catch (thrown) {
      // Another one may answer the next time.
      this.version = undefined;
      throw thrown;
    }
  }

  /** Follows events until they end or what it returns is called, after which nobody is told of anything. */
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
            // What it was is asked for, not read: so there is nothing that could be too long.
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

  /** Gives up all that is under way; what was asked fails. */
  close(): void {
    this.isClosed = true;
    for (const giveUp of this.calls) giveUp();
  }

  /** The path of a call, of the version that the engine speaks: which old ones it has differs. */
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
        else reject(new Error('it does not tell the version of its API; is this a container engine?'));
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
            reject(new Error(`its answer is longer than maxAnswer (${maxAnswer} bytes)`));
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

  /** Calls one of the two, `failed` also when the connection breaks later. Returns how to end it. */
  private open(
    path: string,
    answered: (response: IncomingMessage) => void,
    failed: (error: Error) => void,
  ): () => void {
    if (this.isClosed) {
      failed(new Error('it is not asked any more'));
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
    const giveUp = (): void => {
      failed(new Error('it is not asked any more'));
      end();
    };
    this.calls.add(giveUp);
    call.on('close', () => {
      cancelTimer();
      this.calls.delete(giveUp);
    });
    return end;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'its socket is not there; is the engine running?',
  ECONNREFUSED: 'nobody listens there; is the engine running?',
  EACCES: 'Weldr may not open its socket; the group "docker" may',
};

function explained(error: Error): Error {
  const reason = 'code' in error ? reasons[String(error.code)] : undefined;
  return reason === undefined ? error : new Error(reason);
}
