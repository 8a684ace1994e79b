// ElectionTimes: the times of an election, and how long a leader may act by them.

/** Times of an election, ms. */
export interface ElectionTimes {
  /** How long etcd keeps the leadership of a silent leader. etcd may grant more, never less. */
  readonly lease: number;
  /** The interval between renewals. */
  readonly renew: number;
  /** How long a new leader waits before it acts, if the previous one did not record that it had let go. */
  readonly holdOff: number;
}

/** The share of a span by which two clocks may differ over it: NTP slews by 0.05 % at most, so this is generous. */
export const clockDrift = 0.01;

/** Returns how long after it asked for a lease of `granted` ms a leader can be sure that no other node acts, ms. */
export function safeSpan(granted: number, holdOff: number): number {
  return (granted + holdOff) * (1 - clockDrift);
}
