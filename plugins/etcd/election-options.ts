// ElectionOptions: what an election works with, and what it reports to.
import type { Logger } from 'pino';
import type { Leadership, Surrender } from '../../core/plugin/manager-hooks.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { EtcdClient } from './client.ts';
import type { ElectionTimes } from './election-times.ts';
import type { FailsafeSide } from './failsafe-side.ts';
import type { ClusterKeys } from './keys.ts';
import type { SeenLeader } from './leader-keys.ts';

/** What an election works with. */
export interface ElectionOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly nodeName: string;
  /** Read for each leadership, and again while one is held, because what plugins need may change. */
  readonly times: ElectionTimes;
  readonly log: Logger;
  readonly clock: Clock;
  /** Undefined: off; a leadership ends when etcd has no majority. */
  readonly failsafe?: FailsafeSide | undefined;
  /** Returns why this node cannot lead now; undefined: it can. */
  unfit(): string | undefined;
  /** Returns how another process of this node ends the leadership with this create revision; default: it cannot. */
  surrenderOf?(revision: number): Surrender;
  /** Returns how long this node leaves a free leadership to others, ms; `last`: the previous leader. Default: 0. */
  standBack?(last: string | undefined): number;
  /** Receives what only others can judge. */
  readonly observer?: ElectionObserver;
  /** Receives each win, renewal and loss, and each change of the leader elsewhere; a loss waits for it. */
  changed(leadership: Leadership): Promise<void>;
  /** Called before a planned hand-over, which waits for it; renewals continue meanwhile. */
  handingOver?(): Promise<void>;
}

/** Receives how the election goes. */
export interface ElectionObserver {
  /** The contents of the key `leader`; undefined: the key does not exist. */
  saw(leader: SeenLeader | undefined): void;
  /** A renewal took this long, ms. */
  renewal(ms: number): void;
  /** A renewal was given up after this long, ms. */
  unanswered(ms: number): void;
  /** A leadership of this node ended unintentionally. */
  lost(): void;
}
