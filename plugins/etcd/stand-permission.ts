// StandPermission: decides whether this node may stand for the leadership, given its promises to others and the list of failsafe that
// the previous leader has left.
import type { Logger } from 'pino';
import type { Clock } from '../../core/time/clock.ts';
import { clockDrift } from './election-times.ts';
import { longestPromise, type SeenFailsafeList, standingOf } from './failsafe-list.ts';
import type { FailsafeSide } from './failsafe-side.ts';

/** What a {@link StandPermission} is made of. */
export interface StandPermissionOptions {
  readonly nodeName: string;
  /** Undefined: off on this node; others may still use it. */
  readonly failsafe: FailsafeSide | undefined;
  readonly log: Logger;
  readonly clock: Clock;
}

/** The permission of one node. */
export class StandPermission {
  private readonly options: StandPermissionOptions;
  private readonly started: number;
  private isUnlisted = false;

  constructor(options: StandPermissionOptions) {
    this.options = options;
    this.started = options.clock.monotonic();
  }

  /** The node that this one has promised not to stand now; undefined: none. */
  get promisedTo(): string | undefined {
    return this.options.failsafe?.promises.holder;
  }

  /** Why the list, when last read, kept this node from standing; undefined: it did not. */
  get obstacle(): string | undefined {
    return this.isUnlisted
      ? 'the previous leader uses failsafe and does not know this node, so this node does not stand; it gets onto the list once there is a leader'
      : undefined;
  }

  /** Returns whether the list lets this node stand, and this node cannot have forgotten a promise. */
  isGivenBy({ list }: SeenFailsafeList): boolean {
    const { clock, log, nodeName, failsafe } = this.options;
    const standing = standingOf(nodeName, list);
    const wasUnlisted = this.isUnlisted;
    this.isUnlisted = standing === 'not listed';
    if (this.isUnlisted) {
      if (!wasUnlisted) {
        log.warn(
          'not standing: the previous leader uses failsafe and does not know this node; it gets onto the list once ' +
            'there is a leader, if failsafe is in its config, too (if all others are gone for good: docs/cluster.md)',
        );
      }
      return false;
    }
    // An earlier process of this node may have promised.
    const since = failsafe?.answersSince ?? this.started;
    return standing === 'may stand' || clock.monotonic() > since + longestPromise * (1 + 2 * clockDrift);
  }
}
