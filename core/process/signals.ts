// Signals: those that Weldr's processes ignore, because by default the system would silently end the process.

/**
 * Their defaults end the process, or, for SIGUSR1, make Node open its debugger to everyone on this machine. Not among
 * them: signals that stop and continue a process, and signals that report a defect.
 */
const harmful = [
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
  'SIGXFSZ',
] as const;

/** The signals that ask a process to stop. */
export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

/**
 * Ignores harmful signals; listeners can still be added for each. `stops`: whether it also ignores those that ask it to
 * stop, for a process that another one stops.
 */
export function ignoreSignals(stops: 'stops too' | 'but stops'): void {
  for (const signal of harmful) process.on(signal, ignore);
  if (stops === 'stops too') for (const signal of stopSignals) process.on(signal, ignore);
}

function ignore(): void {}
