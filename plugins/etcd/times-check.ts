// TimesCheck: refuses times in a config with which a leader could never hold anything.
import { WeldrError } from '../../core/errors.ts';
import { clockDrift, type ElectionTimes, safeSpan } from './election-times.ts';
import { leaseFor } from './slow-etcd.ts';

/** A hold-off allows for clocks and a slow renewal; a longer one only delays a fail-over. ms. */
const longestHoldOff = 60_000;

/** Throws CONFIG_INVALID. `need`: the least time that plugins of the config need of a leadership, ms. */
export function checkTimes({ lease, holdOff }: Omit<ElectionTimes, 'renew'>, need: number): void {
  if (holdOff > longestHoldOff) {
    throw refusal('holdOff', `expected ${longestHoldOff / 1000}s or less, got ${holdOff / 1000}s`);
  }
  // etcd grants whole seconds. The half millisecond is for rounding.
  const granted = Math.ceil(lease / 1000) * 1000;
  const span = safeSpan(granted, holdOff);
  if (span >= need - 0.5) return;
  const missing = Math.ceil((need - 0.5 - span) / (1 - clockDrift) / 10) * 10;
  const orHoldOff = holdOff + missing <= 1000 ? `, or holdOff: '${holdOff + missing}ms'` : '';
  throw refusal(
    'lease',
    `a lease of ${granted / 1000} s and a hold-off of ${holdOff} ms give a leader ${Math.floor(span)} ms, and what it holds` +
      ` needs ${Math.ceil(need)} ms until it is certainly gone: the address would never be held. Set lease:` +
      ` '${leaseFor(need - 0.5, holdOff)}s'${orHoldOff} on all nodes (docs/cluster-guarantees.md, "Never two holders")`,
  );
}

function refusal(field: string, message: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', message, { field });
}
