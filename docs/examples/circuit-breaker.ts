// An example plugin that gives an upstream a rest after failures. A circuit is closed (all requests pass), open (none
// passes, for a while) or half-open: one request tries the upstream and decides. If no upstream is left, the request goes
// to the pool's fallback, or gets a 503.
import { definePlugin, duration, type ProxyContext, type Upstream } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** This many failures within `window` open a circuit: no connection, no response in time, a status of 500 or more. */
  failures: z.number().int().min(1).default(5),
  window: duration().default(10_000),
  /** How long an open circuit sends nothing. */
  rest: duration().default(5000),
});

/** Times are ms of the clock of attempts; `openedAt` is undefined while the circuit is closed. */
interface Circuit {
  failures: number;
  since: number;
  openedAt: number | undefined;
  /** The request that tries the upstream, or was the last to do so. */
  probe?: ProxyContext;
}

export const circuitBreaker = definePlugin({
  name: 'circuit-breaker',
  schema: options,
  worker({ hooks, clock, log }, { failures, window, rest }) {
    const circuits = new WeakMap<Upstream, Circuit>();

    hooks.eligible.tap('circuit-breaker', (ctx, upstream) => {
      const circuit = circuits.get(upstream);
      if (circuit?.openedAt === undefined) return undefined;
      const { openedAt, probe } = circuit;
      // A probe that went elsewhere or is over gives its place to the next request.
      const isTried = probe?.upstream === upstream && probe.finishedAt === 0 && probe !== ctx;
      if (isTried || clock.monotonic() - openedAt < rest) return false;
      if (!ctx.rehearsal) circuit.probe = ctx;
      return undefined;
    });

    hooks.attemptFinished.tap('circuit-breaker', ctx => {
      const { attempt, error } = ctx;
      if (attempt === undefined || ctx.rehearsal) return;
      const { upstream, startedAt, status } = attempt;
      const hasFailed = status >= 500 || error?.countsAgainstHealth === true;
      const circuit = circuits.get(upstream) ?? { failures: 0, since: startedAt, openedAt: undefined };
      const { openedAt } = circuit;
      // An attempt from before the circuit opened says nothing about the upstream's state now; nor does a client that left.
      if (openedAt !== undefined && ctx !== circuit.probe) return;
      if (!hasFailed) {
        if (openedAt === undefined || status === 0) return;
        circuits.delete(upstream);
        log.info({ upstream: upstream.id }, 'the circuit is closed again');
        return;
      }
      const now = clock.monotonic();
      if (now - circuit.since > window) Object.assign(circuit, { failures: 0, since: now });
      circuit.failures++;
      circuits.set(upstream, circuit);
      if (openedAt === undefined && circuit.failures < failures) return;
      circuit.openedAt = now;
      log.warn({ upstream: upstream.id, ms: rest }, 'the circuit is open');
    });
  },
});
