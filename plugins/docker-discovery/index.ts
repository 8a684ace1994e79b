// docker-discovery: finds servers among the containers of an engine, by their labels.
import { z } from 'zod';
import { toError } from '../../core/errors.ts';
import { duration, size } from '../../core/options/duration.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import {
  discoveryOptions,
  guardOf,
  poolOf,
  sourceNameOf,
  warnOfDiscovery,
} from '../../core/plugin/discovery-options.ts';
import { FoundServers } from '../../core/plugin/found-servers.ts';
import { namePattern } from '../../core/pool/pool-name.ts';
import { parseEngineAddress } from './engine-address.ts';

const socket = z
  .string()
  .max(4096)
  .superRefine((text, context) => {
    try {
      parseEngineAddress(text);
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: toError(thrown).message });
    }
  });

const options = z
  .strictObject({
    ...discoveryOptions,
    pool: discoveryOptions.pool.describe(
      'The pool of containers without the label `weldr.pool`; default: the pool in whose `plugins` it is listed, otherwise `default`.',
    ),
    socket: socket
      .default('/var/run/docker.sock')
      .describe('The socket of the engine, or `tcp://HOST:PORT`.'),
    pools: z
      .array(z.string().regex(namePattern, 'expected the name of a pool'))
      .min(1)
      .max(1000)
      .optional()
      .describe('The pools that labels may name; default: any.'),
    network: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe('The network for containers that are in several.'),
    hostAddress: z
      .union([z.ipv4(), z.ipv6()], { error: 'expected an address' })
      .default('127.0.0.1')
      .describe('The address of containers in the network `host`.'),
    labels: z
      .array(z.string().min(1).max(1000))
      .max(20)
      .default([])
      .meta({
        description: 'Labels that containers need besides `weldr.enable=true`: `NAME` or `NAME=VALUE`.',
        examples: [['com.docker.compose.project=shop']],
      }),
    health: z
      .boolean()
      .default(true)
      .describe('Whether to leave out containers while the engine reports them as unhealthy or starting.'),
    interval: duration()
      .refine(ms => ms >= 1000, 'an interval is at least 1s')
      .prefault('30s')
      .describe('How often all containers are listed, besides events.'),
    timeout: duration()
      .refine(ms => ms >= 100 && ms <= 60_000, 'a timeout is between 100ms and 1m')
      .prefault('5s')
      .describe('How long the engine may take to respond.'),
    maxAnswer: size()
      .refine(bytes => bytes >= 1024 && bytes <= 256 * 1024 ** 2, 'a size is between 1kb and 256mb')
      .prefault('16mb')
      .describe('The longest response that is read.'),
    maxServers: z
      .number()
      .int()
      .min(1)
      .max(50_000)
      .default(1000)
      .describe('The most containers that become servers.'),
  })
  .describe('Finds servers among the containers of an engine, by their labels.');

/** The options of `dockerDiscovery`, as written in a config. */
export type DockerDiscoveryOptions = z.input<typeof options>;

/**
 * Follows a container engine: `dockerDiscovery({ network: 'web' })`. Containers with the label `weldr.enable=true` are
 * servers while they run and the engine does not report them as unhealthy. While the engine is down, and when it suddenly has
 * no containers of a pool, the last good list stays.
 */
export const dockerDiscovery = definePlugin({
  name: 'docker-discovery',
  schema: options,
  check: warnOfDiscovery,
  async manager({ pools: allPools, scope, log, clock, metrics, onClose }, parsed) {
    const { network, timeout, maxAnswer } = parsed;
    const pool = poolOf(parsed, scope);
    const source = allPools.source(sourceNameOf(parsed, 'docker', pool), guardOf(parsed));
    const found = new FoundServers({ source, place: `the engine ${parsed.socket}`, log, clock, metrics });
    // Listed in a pool, it is for that pool only.
    const only = scope.kind === 'pool' ? pool : undefined;
    const { pools } = parsed;
    const mayHave = (name: string): boolean =>
      only === undefined ? pools?.includes(name) !== false : name === only;
    for (const other of source.pools) if (!mayHave(other)) found.leave(other);
    const [{ DockerWatch }, { Engine }] = await Promise.all([
      import('./docker-watch.ts'),
      import('./engine.ts'),
    ]);
    const engine = new Engine({ address: parseEngineAddress(parsed.socket), clock, timeout, maxAnswer });
    const onePool = parsed.pool !== undefined || only !== undefined;
    const places = { pool, pools, only, onePool, network };
    const watch = new DockerWatch({ ...parsed, ...places, engine, found, clock });
    onClose(() => watch.close());
    const first = watch.start();
    // After a reload there are servers, and there is no need to wait.
    if (source.pools.length === 0) await first;
  },
});
