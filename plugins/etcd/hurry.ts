// Hurry: while etcd does not confirm a leadership in time, as while it elects a leader of its own, every member is asked in quick
// succession: the first renewal after the election is to be confirmed at once, and not when a member answers that still waits for one.
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { EtcdMember } from './client.ts';

/** From one question to the next, ms. */
const every = 50;
/** An answer is waited for so long, ms: or so many times what the last renewal took, where etcd is far away. */
const patience = { ms: 100, times: 4 } as const;
/** Who owes so many answers is not asked meanwhile. */
const mostOwed = 2;

/** What a {@link Hurry} is made of. */
export interface HurryOptions {
  readonly clock: Clock;
  /** Is the last renewal that etcd confirmed older than it should be? */
  isLate(): boolean;
  /** What a renewal took last, ms. */
  took(): number;
  members(): readonly EtcdMember[];
  /** Renews by way of this member, waiting for each answer for so long; does not reject. */
  ask(member: EtcdMember, ms: number): Promise<void>;
}

/** Begins with one leadership and ends with it; returns what ends it. */
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
