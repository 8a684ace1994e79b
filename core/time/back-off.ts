// Back-off: waits that double with each failure.

/** The wait after this many failures in a row, ms: `first` after one, then doubled each time up to `longest`. */
export function backOff(failures: number, first: number, longest: number): number {
  // Bounded, so that a long outage does not lead to an infinite number.
  return Math.min(longest, first * 2 ** Math.min(30, failures - 1));
}
