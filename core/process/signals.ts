// Signals: which ones a process of Weldr takes no notice of, where the system's default would end it without a word.

/**
 * Their defaults end the process, or, for SIGUSR1, have Node open its debugger to everybody on this machine. Not among
 * them: those that stop and continue a process, and those that tell of a defect.
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

/** What a process is told to stop with. */
export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

/**
 * Takes no notice of signals that would do harm; listeners that mean something can still be added for each. `stops`:
 * whether those that stop a process are among them, as for one that another process stops.
 */
export function ignoreSignals(stops: 'stops too' | 'but stops'): void {
  for (const signal of harmful) process.on(signal, ignore);
  if (stops === 'stops too') for (const signal of stopSignals) process.on(signal, ignore);
}

function ignore(): void {}
