// Runs requests through routes, without a socket.
import { type RunOptions, type RunResult, type TestWorkerSide, workerSide } from '../../../core/testing.ts';
import { type RouteInput, type RoutesOptions, roundRobin, routes } from '../../../plugins/index.ts';

/** Pools that routes of tests lead to. */
export const pools = ['default', 'a', 'b', 'c', 'd', 'e'];

/** A worker with routes; each pool has one server, `http://POOL:80`. */
export async function routed(
  list: readonly RouteInput[] | RoutesOptions,
  rest: Omit<RoutesOptions, 'routes'> = {},
): Promise<TestWorkerSide> {
  const upstreams = Object.fromEntries(pools.map(name => [name, [`http://${name}.internal:8080`]]));
  return await workerSide([routes(list, rest), roundRobin()], { upstreams });
}

/** Runs one request through routes. */
export async function run(
  list: readonly RouteInput[] | RoutesOptions,
  request: RunOptions = {},
  rest: Omit<RoutesOptions, 'routes'> = {},
): Promise<RunResult> {
  const side = await routed(list, rest);
  const result = await side.run(request);
  await side.close();
  return result;
}

/** Routes to the pool `a` by their conditions, named by the text in front of them. */
export function rules(conditions: Readonly<Record<string, Omit<RouteInput, 'name'>>>): RouteInput[] {
  return Object.entries(conditions).map(([name, condition]) => ({ name, pool: 'a', ...condition }));
}
