// KeyWatch: follows a range of keys from a revision, through any member that answers. etcd3's own watcher takes the header's revision for
// what it has seen, and so loses events when a connection ends while it catches up.
import type { IDuplexStream, IEvent, IWatchRequest, IWatchResponse } from 'etcd3';
import type { Logger } from 'pino';
import { toError } from '../../core/errors.ts';
import { type EtcdClient, type EtcdMember, plainReason } from './client.ts';

/** What a {@link KeyWatch} works with. */
export interface KeyWatchOptions {
  readonly client: EtcdClient;
  readonly log: Logger;
  readonly key: string;
  /** The end of the range; undefined: this key alone. */
  readonly rangeEnd?: Buffer;
  /** How soon a member that falls silent is noticed; default `calm`. */
  readonly pace?: WatchPace;
}

/** Why a watch ended. */
export type WatchEnd =
  /** The connection is gone: continue after the last event. */
  | 'disconnected'
  /** etcd no longer has the events: read a snapshot. */
  | 'compacted'
  /** `close` was called. */
  | 'closed';

/** Receives what a watch reports, in order. */
export interface WatchListener {
  /** The watch is established: every event from here on is reported. */
  connected(member: EtcdMember): void;
  /** Events of complete revisions, oldest first. */
  events(events: readonly IEvent[]): void;
}

/**
 * How a dead stream is noticed, ms. A member answers a request for progress at once, so silence means that it is gone: the watch
 * requests progress every `ask` ms, and gives a member up after `silence` ms without an answer.
 */
export interface WatchPace {
  readonly ask: number;
  readonly silence: number;
}

/** For events that may be a few seconds late. */
export const calm: WatchPace = { ask: 1000, silence: 2500 };
/** For the leadership: a dead member is left long before the lease of a leader ends. */
export const alert: WatchPace = { ask: 200, silence: 600 };

/** Runs one watch at a time. Call `follow` again after it ended. */
export class KeyWatch {
  private readonly options: KeyWatchOptions;
  private cut: ((end: WatchEnd) => void) | undefined;
  private closed = false;

  constructor(options: KeyWatchOptions) {
    this.options = options;
  }

  /** Watches from `revision` until the watch ends; resolves with the reason. */
  async follow(revision: number, listener: WatchListener): Promise<WatchEnd> {
    if (this.closed) return 'closed';
    const [member] = this.options.client.inOrder();
    if (member === undefined) return 'disconnected';
    let stream: WatchStream;
    try {
      stream = await this.options.client.callMember(
        member,
        ({ watchClient }) => watchClient.watch(),
        (this.options.pace ?? calm).silence,
      );
    } catch (thrown) {
      this.failed(member, thrown);
      return 'disconnected';
    }
    const { promise, resolve } = Promise.withResolvers<WatchEnd>();
    this.cut = resolve;
    if (this.closed) resolve('closed');
    const stop = this.attach(stream, member, revision, listener, resolve);
    const end = await promise;
    stop();
    this.cut = undefined;
    return end;
  }

  /** Ends the current watch, as if the connection were gone. */
  restart(): void {
    this.cut?.('disconnected');
  }

  /** Ends the watch for good. */
  close(): void {
    this.closed = true;
    this.cut?.('closed');
  }

  private attach(
    stream: WatchStream,
    member: EtcdMember,
    revision: number,
    listener: WatchListener,
    end: (reason: WatchEnd) => void,
  ): () => void {
    let heard = performance.now();
    let fragments: IEvent[] = [];
    let over = false;
    const fail = (thrown: unknown) => {
      // A cancelled stream also reports an error.
      if (over) return;
      this.failed(member, thrown);
      end('disconnected');
    };
    const take = (answer: IWatchResponse) => {
      heard = performance.now();
      if (answer.canceled) {
        if (Number(answer.compact_revision) > 0) return end('compacted');
        return fail(new Error(answer.cancel_reason || 'the watch was cancelled'));
      }
      if (answer.created) listener.connected(member);
      fragments.push(...answer.events);
      if (answer.fragment || fragments.length === 0) return;
      const events = fragments;
      fragments = [];
      listener.events(events);
    };
    stream.on('data', answer => {
      if (over) return;
      try {
        take(answer);
      } catch (thrown) {
        fail(thrown);
      }
    });
    stream.on('error', fail);
    stream.on('end', () => fail(new Error('the watch was ended')));
    const { key, rangeEnd } = this.options;
    stream.write({
      create_request: {
        key: Buffer.from(key),
        ...(rangeEnd && { range_end: rangeEnd }),
        start_revision: revision,
        fragment: true,
      },
    });
    const { ask, silence } = this.options.pace ?? calm;
    let looked = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      // If this process was busy or frozen, it reads what has arrived meanwhile before it calls a member silent.
      if (now - looked > 2 * ask) heard = Math.max(heard, now - ask);
      looked = now;
      if (now - heard > silence) fail(new Error('the watch fell silent'));
      else stream.write({ progress_request: {} });
    }, ask).unref();
    return () => {
      over = true;
      clearInterval(timer);
      stream.cancel();
    };
  }

  private failed(member: EtcdMember, thrown: unknown): void {
    this.options.client.avoid(member);
    if (this.closed) return;
    this.options.log.debug(
      { host: member.host, key: this.options.key, reason: plainReason(toError(thrown)) },
      'the watch of etcd ended',
    );
  }
}

type WatchStream = IDuplexStream<IWatchRequest, IWatchResponse>;
