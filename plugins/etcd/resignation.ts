// Resignation: ends a leadership on purpose: first what the leader holds, then the key. Records that the next leader need not wait.
import { toError } from '../../core/errors.ts';
import { plainReason } from './client.ts';
import type { ElectionOptions } from './election-options.ts';
import { refusalOf } from './etcd-failure.ts';
import type { LeaderKeys } from './leader-keys.ts';
import type { LeaderSession } from './leader-session.ts';
import { revokeLease } from './leases.ts';

/** The time that listeners have before a hand-over, ms. */
const handOverTime = 1000;

/** What a {@link Resignation} works with. */
export interface ResignationOptions {
  readonly election: ElectionOptions;
  readonly leaderKeys: LeaderKeys;
  /** The leadership that is held now. */
  session(): LeaderSession | undefined;
  isLeading(): boolean;
  /** Stops this node from acting as the leader; resolves when every listener has let go. */
  stopActing(): Promise<void>;
  /** Ends the session. */
  end(): void;
  /** No node leads now, as far as this one knows. */
  over(): void;
}

/** The resignations of one node; at most one is under way. */
export class Resignation {
  private readonly options: ResignationOptions;
  private running: Promise<void> | undefined;
  private isWindingDown = false;

  constructor(options: ResignationOptions) {
    this.options = options;
  }

  get isUnderWay(): boolean {
    return this.running !== undefined;
  }

  /** Whether this node is letting go; false while what it holds is still in use. */
  get isLettingGo(): boolean {
    return this.running !== undefined && !this.isWindingDown;
  }

  /** Lets go of the leadership, if it is held; `as planned`: after its listeners have prepared. */
  async resign(why: string, how: 'as planned' | 'at once'): Promise<void> {
    this.running ??= this.letGo(why, how).finally(() => {
      this.running = undefined;
    });
    await this.running;
  }

  private async letGo(why: string, how: 'as planned' | 'at once'): Promise<void> {
    const { leaderKeys } = this.options;
    const session = this.options.session();
    if (session === undefined) return;
    const { client, clock, log } = this.options.election;
    log.info({ reason: why }, 'handing over');
    if (how === 'as planned' && this.options.isLeading()) await this.windDown();
    if (this.options.session() !== session) return;
    const hasLetGo = await settledWithin(this.options.stopActing(), session.until - clock.monotonic());
    // A leader that never came to act knows nothing about the previous one.
    const released = hasLetGo && clock.monotonic() >= session.from;
    this.options.end();
    const limits = { totalMs: 1000, attemptMs: 500 };
    try {
      await leaderKeys.giveUp(session.revision, released, limits);
      revokeLease(client, session.lease.id).catch(() => {});
    } catch (thrown) {
      log.warn(
        { reason: plainReason(thrown) },
        'the leadership ends with its lease, and the next leader holds off',
      );
      // An etcd that is out of space still does what frees some.
      if (refusalOf(thrown)?.kind !== 'unreachable') {
        await revokeLease(client, session.lease.id, limits).catch(() => {});
      }
    }
    this.options.over();
  }

  /** Resolves when what the leader holds is no longer used. */
  private async windDown(): Promise<void> {
    const { handingOver, log } = this.options.election;
    if (handingOver === undefined) return;
    this.isWindingDown = true;
    try {
      // Not within this call: the listener may call this object again.
      await settledWithin(Promise.resolve().then(handingOver), handOverTime);
    } catch (thrown) {
      log.error({ err: toError(thrown) }, 'a listener of the election failed');
    }
    this.isWindingDown = false;
  }
}

/** Returns whether it settled in time. */
async function settledWithin(promise: Promise<void>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), Math.max(0, ms));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
