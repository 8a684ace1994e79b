// Board: what nodes and operators publish about which node should lead: candidacies, maintenance, the hand-over under way. It is short, so
// every node follows all of it and answers from memory.
import type { IKeyValue } from 'etcd3';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Clock } from '../../core/time/clock.ts';
import { type EtcdClient, plainReason, revisionOf } from './client.ts';
import { afterPrefix, type ClusterKeys } from './keys.ts';
import { KeyWatch } from './watch.ts';

const poolNames = z.array(z.string().max(300)).max(500).readonly();

const candidacyValue = z.looseObject({
  priority: z.number(),
  unfit: z.string().max(500).optional(),
  usable: poolNames,
  unusable: poolNames,
  answer: z.looseObject({ order: z.string().max(100), refusal: z.string().max(500).optional() }).optional(),
});
const orderValue = z.looseObject({
  id: z.string().max(100),
  from: z.string().max(300),
  to: z.string().max(300),
  by: z.string().max(500),
  why: z.string().max(500),
  pools: poolNames,
});
const restValue = z.looseObject({ by: z.string().max(500), at: z.number() });

/** A node's candidacy: whether it may lead, which pools it reaches, its answer to an order. */
export type Candidacy = z.output<typeof candidacyValue>;
/** An order that one node hands over to another. The other refuses unless it reaches `pools`. */
export type HandOverOrder = z.output<typeof orderValue>;
/** Who put a node in maintenance, and when, ms since the epoch. */
export type Rest = z.output<typeof restValue>;

/** What a {@link Board} is made of. */
export interface BoardOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly log: Logger;
  readonly clock: Clock;
  /** Called after each change. */
  changed(): void;
}

const retryDelay = 200;
/** Further nodes are ignored. */
const maxNodes = 1000;

/** The board as one node sees it, followed until `close`. */
export class Board {
  readonly candidacies = new Map<string, Candidacy>();
  readonly resting = new Map<string, Rest>();
  /** The hand-over under way, and the lease of its key. */
  order: (HandOverOrder & { readonly lease: string }) | undefined;
  private readonly options: BoardOptions;
  private readonly watcher: KeyWatch;
  private wasRead = false;
  private isFollowing = false;
  private closed = false;
  private running: Promise<void> | undefined;

  constructor(options: BoardOptions) {
    this.options = options;
    const { client, log, keys } = options;
    this.watcher = new KeyWatch({ client, log, key: keys.board, rangeEnd: afterPrefix(keys.board) });
  }

  /** Whether it has been read since the start. */
  get known(): boolean {
    return this.wasRead;
  }

  /** Whether it is up to date, as far as this node knows. */
  get fresh(): boolean {
    return this.isFollowing;
  }

  start(): void {
    this.running = this.run();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.watcher.close();
    await this.running;
  }

  private async run(): Promise<void> {
    const { log } = this.options;
    while (!this.closed) {
      try {
        const revision = await this.read();
        await this.watcher.follow(revision + 1, {
          connected: () => {
            this.isFollowing = true;
          },
          events: events => {
            for (const { type, kv } of events) this.take(kv.key.toString(), type === 'Put' ? kv : undefined);
            this.options.changed();
          },
        });
      } catch (thrown) {
        log.debug({ reason: plainReason(thrown) }, 'the board cannot be read: etcd does not answer');
      }
      this.isFollowing = false;
      if (!this.closed) await new Promise<void>(done => this.options.clock.after(retryDelay, done));
    }
  }

  /** Reads all of it; resolves with the revision. */
  private async read(): Promise<number> {
    const { client, keys } = this.options;
    const answer = await client.call(
      async (etcd, options) =>
        await etcd.kv.range({ key: Buffer.from(keys.board), range_end: afterPrefix(keys.board) }, options),
    );
    this.candidacies.clear();
    this.resting.clear();
    this.order = undefined;
    for (const kv of answer.kvs) this.take(kv.key.toString(), kv);
    this.wasRead = true;
    this.options.changed();
    return revisionOf(answer.header);
  }

  private take(key: string, kv: IKeyValue | undefined): void {
    const about = this.options.keys.onBoard(key);
    if (about === undefined) return;
    const { kind, node } = about;
    const value = kv === undefined ? undefined : json(kv.value);
    if (kind === 'candidates') {
      this.set(this.candidacies, node, candidacyValue.safeParse(value).data);
    } else if (kind === 'maintenance') {
      // The key alone counts, whatever its value.
      const rest = restValue.safeParse(value).data ?? { by: 'unknown', at: 0 };
      this.set(this.resting, node, kv === undefined ? undefined : rest);
    } else if (kind === 'hand-over') {
      const { data } = orderValue.safeParse(value);
      this.order = data === undefined ? undefined : { ...data, lease: kv?.lease ?? '0' };
    }
  }

  private set<T>(map: Map<string, T>, node: string, value: T | undefined): void {
    if (value === undefined) map.delete(node);
    else if (map.has(node) || map.size < maxNodes) map.set(node, value);
  }
}

function json(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString());
  } catch {
    return undefined;
  }
}
