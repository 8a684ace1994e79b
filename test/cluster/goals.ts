// Goals: how long a client may be without an answer, for each fault.

/** One line of the table. */
export interface Goal {
  /** What happens. */
  readonly label: string;
  /** The longest allowed gap, ms; undefined: measured only. */
  readonly limit?: number;
  /** No request may be broken or answered with an error. */
  readonly unbroken?: true;
}

/** The median of the gaps may exceed the goal by this factor. */
export const tolerance = 1.4;

/** The lines of the table, in their order. */
export const goals = {
  stop: { label: 'Weldr is stopped (SIGTERM)', limit: 200, unbroken: true },
  reload: { label: 'Weldr is reloaded (SIGHUP)', limit: 200, unbroken: true },
  upgrade: { label: '`weldr upgrade` of the active Weldr', limit: 200, unbroken: true },
  upgradePassive: { label: 'the other Weldr is upgraded to a later version', limit: 0, unbroken: true },
  upgradeActive: { label: 'then the active one is' },
  handOver: { label: '`weldr cluster hand-over`', limit: 200, unbroken: true },
  killed: { label: 'the manager is killed (-9)', limit: 600 },
  frozen: { label: 'the manager is frozen for 6 s', limit: 1000 },
  machineFrozen: { label: 'the whole machine is frozen for 6 s' },
  diesElsewhere: { label: "the machine dies, etcd's leader is elsewhere", limit: 1800 },
  diesWithLeader: { label: "the machine dies, and etcd's leader with it", limit: 3000 },
  unpluggedElsewhere: { label: "the machine is unplugged, etcd's leader is elsewhere", limit: 1800 },
  unpluggedWithLeader: { label: "the machine is unplugged, and etcd's leader with it", limit: 3000 },
  hung: { label: 'all workers hang', limit: 3500 },
  originless: { label: 'the holder alone reaches no origin', limit: 5000 },
  diedReturns: { label: 'the dead machine starts again', limit: 0 },
  frozenReturns: { label: 'what was frozen continues', limit: 0 },
  unpluggedReturns: { label: 'the unplugged machine has its network again', limit: 0 },
  majority: { label: 'etcd has no majority for 60 s' },
  failsafe: { label: 'etcd has no majority, failsafe', limit: 200 },
} as const satisfies Record<string, Goal>;

/** The name of a line. */
export type GoalName = keyof typeof goals;

/** Looks up a goal. */
export const goalOf = (name: GoalName): Goal => goals[name];
export const goalNames = Object.keys(goals) as GoalName[];
