// StandPermission: may this node stand for the leadership, by what it has promised another one and by the list of failsafe that the
// leader before has left?
import type { Logger } from 'pino';
import type { Clock } from '../../core/time/clock.ts';
import { clockDrift } from './election-times.ts';
import { longestPromise, type SeenFailsafeList, standingOf } from './failsafe-list.ts';
import type { FailsafeSide } from './failsafe-side.ts';

/** What a {@link StandPermission} is made of. */
export interface StandPermissionOptions {
  readonly nodeName: string;
  /** Undefined: off here; others may use it all the same. */
  readonly failsafe: FailsafeSide | undefined;
  readonly log: Logger;
  readonly clock: Clock;
}

/** One node's. */
export class StandPermission {
  private readonly options: StandPermissionOptions;
  private readonly started: number;
  private isUnlisted = false;

  constructor(options: StandPermissionOptions) {
    this.options = options;
    this.started = options.clock.monotonic();
  }

  /** To whom this node has promised not to stand now; undefined: to nobody. */
  get promisedTo(): string | undefined {
    return this.options.failsafe?.promises.holder;
  }

  /** Why the list kept this node from standing when it was looked at last; undefined: it did not. */
  get obstacle(): string | undefined {
    return this.isUnlisted
      ? 'the leader before uses failsafe and does not know this node, which does not stand; it comes onto the list once there is a leader'
      : undefined;
  }

  /** Has the leader before put this node on the list, and can this node not have forgotten a promise? */
  isGivenBy({ list }: SeenFailsafeList): boolean {
    const { clock, log, nodeName, failsafe } = this.options;
    const standing = standingOf(nodeName, list);
    const wasUnlisted = this.isUnlisted;
    this.isUnlisted = standing === 'not listed';
    if (this.isUnlisted) {
      if (!wasUnlisted) {
        log.warn(
          'not standing: the leader before uses failsafe and does not know this node; it comes onto the list once ' +
            'there is a leader, if failsafe is in its config, too (if all others are gone for good: docs/cluster.md)',
        );
      }
      return false;
    }
    // What this node promised before it was this process.
    const since = failsafe?.answersSince ?? this.started;
    return standing === 'may stand' || clock.monotonic() > since + longestPromise * (1 + 2 * clockDrift);
  }
}
