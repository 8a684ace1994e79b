// Hurry: asks every member in quick succession while etcd does not confirm a leadership in time, such as while it elects its own
// leader, so that the first renewal after the election is confirmed at once and does not wait for a member that has no leader yet.
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { EtcdMember } from './client.ts';

/** The interval between questions, ms. */
const every = 50;
/** How long to wait for an answer: this many ms, or this many times what the last renewal took, if that is longer. */
const patience = { ms: 100, times: 4 } as const;
/** A member that owes this many answers is not asked meanwhile. */
const mostOwed = 2;

/** What {@link hurryWhenLate} works with. */
export interface HurryOptions {
  readonly clock: Clock;
  /** Returns whether the last renewal that etcd confirmed is older than it should be. */
  isLate(): boolean;
  /** Returns what the last renewal took, ms. */
  took(): number;
  members(): readonly EtcdMember[];
  /** Renews through this member, waiting `ms` for each answer; does not reject. */
  ask(member: EtcdMember, ms: number): Promise<void>;
}

/** Starts for one leadership; returns the function that stops it. */
export function hurryWhenLate(options: HurryOptions): CancelTimer {
  const { clock } = options;
  const owed = new Map<EtcdMember, number>();
  const ask = async (member: EtcdMember, ms: number): Promise<void> => {
    owed.set(member, (owed.get(member) ?? 0) + 1);
    await options.ask(member, ms);
    owed.set(member, (owed.get(member) ?? 1) - 1);
  };
  return clock.every(every, () => {
    if (!options.isLate()) return;
    const ms = Math.max(patience.ms, patience.times * options.took());
    for (const member of options.members()) if ((owed.get(member) ?? 0) < mostOwed) void ask(member, ms);
  });
}
