// Warns of durations without a unit that are so short that seconds were surely meant: `connect: 5` is 5 ms.
import type { PluginInstance } from '../plugin/plugin-instance.ts';

/** Anything shorter is taken for a mistake, ms. 0 is not: it is zero in any unit. */
const plausible = 50;

const timeouts = [
  'connect',
  'response',
  'body',
  'header',
  'idle',
  'upstreamIdle',
  'tunnel',
  'halfClosed',
  'stage',
];
const limits = ['upstreamQueueTimeout'];
const checks = ['interval', 'timeout'];

/** The warnings about a config as it was written: once it is parsed, 5 and `'5ms'` are the same. */
export function* bareDurations(given: unknown, plugins: readonly PluginInstance[]): Generator<string> {
  yield* shortOnes(given, ['drainTimeout'], '');
  yield* shortOnes(fieldOf(given, 'timeouts'), timeouts, 'timeouts.');
  yield* shortOnes(fieldOf(given, 'limits'), limits, 'limits.');
  yield* checksOfServers(fieldOf(given, 'servers'), 'servers');
  for (const [name, pool] of Object.entries(fieldOf(given, 'pools') ?? {})) {
    const at = `pools.${name}`;
    yield* shortOnes(fieldOf(pool, 'timeouts'), timeouts, `${at}.timeouts.`);
    yield* shortOnes(fieldOf(pool, 'limits'), limits, `${at}.limits.`);
    yield* shortOnes(fieldOf(pool, 'healthCheck'), checks, `${at}.healthCheck.`);
    yield* checksOfServers(Array.isArray(pool) ? pool : fieldOf(pool, 'servers'), `${at}.servers`);
  }
  // The options of other plugins may be numbers of anything.
  for (const { plugin, at } of plugins) {
    if (plugin.name === 'health-check') yield* shortOnes(plugin.options, checks, `${at}.`);
    if (plugin.name === 'routes') yield* timeoutsOfRoutes(fieldOf(plugin.options, 'routes'), `${at}.routes`);
  }
}

function* timeoutsOfRoutes(routes: unknown, at: string): Generator<string> {
  if (!Array.isArray(routes)) return;
  for (const [index, route] of routes.entries()) {
    yield* shortOnes(fieldOf(route, 'timeouts'), timeouts, `${at}[${index}].timeouts.`);
  }
}

function* checksOfServers(servers: unknown, at: string): Generator<string> {
  if (!Array.isArray(servers)) return;
  for (const [index, server] of servers.entries()) {
    yield* shortOnes(fieldOf(server, 'healthCheck'), checks, `${at}[${index}].healthCheck.`);
  }
}

/** `prefix`: what comes before the names in their places. */
function* shortOnes(fields: unknown, names: readonly string[], prefix: string): Generator<string> {
  for (const name of names) {
    const value = fieldOf(fields, name);
    if (typeof value !== 'number' || value <= 0 || value >= plausible) continue;
    yield `${prefix}${name}: ${value} is ${value} ms; write '${value}s' for seconds, or '${value}ms' if that is meant`;
  }
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
