// dns-discovery: finds the servers of a pool by a DNS name, in its A, AAAA or SRV records.
import { isIP } from 'node:net';
import { z } from 'zod';
import { duration } from '../../core/options/duration.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import {
  discoveryOptions,
  guardOf,
  poolOf,
  sourceNameOf,
  warnOfDiscovery,
} from '../../core/plugin/discovery-options.ts';
import { FoundServers } from '../../core/plugin/found-servers.ts';

const hostName = z
  .string()
  .max(254)
  .regex(
    /^(?!.*\.\.)[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?$/,
    'expected a name such as "app.internal"',
  )
  .refine(name => isIP(name) === 0, 'is an address, which needs no look-up: list it under servers');

/** An address with or without a port; an IPv6 address with a port is in brackets. */
function isNameServer(text: string): boolean {
  const [, host = '', port = '53'] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const isAddress = host.startsWith('[') ? isIP(host.slice(1, -1)) === 6 : isIP(host) === 4;
  return isIP(text) !== 0 || (isAddress && Number(port) > 0 && Number(port) < 65_536);
}

const options = z
  .strictObject({
    ...discoveryOptions,
    name: hostName.optional().describe('A name whose addresses are the servers.'),
    srv: hostName.optional().meta({
      description: 'A name whose SRV records are the servers: instead of `name`.',
      examples: ['_http._tcp.app.internal'],
    }),
    port: z.number().int().min(1).max(65_535).optional().describe('The port of the servers; with `name`.'),
    scheme: z
      .enum(['http', 'https', 'h2c'])
      .default('http')
      .describe('The scheme of the servers; with `https` their certificates must be valid for the name.'),
    family: z
      .union([z.literal(4), z.literal(6), z.literal('both')], {
        error: 'expected 4, 6 or "both"',
      })
      .default(4)
      .describe('Which addresses: IPv4, IPv6, or both.'),
    interval: duration()
      .refine(ms => ms >= 100, 'an interval is at least 100ms')
      .optional()
      .describe('The time from one query to the next; default: the TTL.'),
    ttl: z
      .strictObject({
        min: duration()
          .refine(ms => ms >= 100, 'a shortest time is at least 100ms')
          .prefault('1s')
          .describe('The shortest time.'),
        max: duration().prefault('30s').describe('The longest time.'),
      })
      .refine(({ min, max }) => min <= max, { path: ['max'], message: 'is less than min' })
      .prefault({})
      .describe('The bounds of the TTL, if there is no `interval`.'),
    resolver: z
      .array(z.string().refine(isNameServer, 'expected a name server such as "10.0.0.2" or "10.0.0.2:8600"'))
      .min(1)
      .max(8)
      .optional()
      .describe('Name servers to ask; default: those of /etc/resolv.conf, with its search list.'),
    timeout: duration()
      .refine(ms => ms >= 100 && ms <= 60_000, 'a timeout is between 100ms and 1m')
      .prefault('5s')
      .describe('How long a complete answer may take.'),
    maxServers: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .default(256)
      .describe('The most servers used from an answer.'),
  })
  .refine(({ name, srv }) => (name === undefined) !== (srv === undefined), {
    path: ['name'],
    message: 'either `name` or `srv` says what is asked for',
  })
  .refine(({ name, port }) => name === undefined || port !== undefined, {
    path: ['port'],
    message: 'a name has addresses but no port: set it',
  })
  .refine(({ srv, port }) => srv === undefined || port === undefined, {
    path: ['port'],
    message: 'SRV records have the ports; leave it out',
  })
  .describe('Finds the servers of a pool by a DNS name.');

/** The options of `dnsDiscovery`, as written in a config. */
export type DnsDiscoveryOptions = z.input<typeof options>;

/**
 * Follows a DNS name: `dnsDiscovery({ name: 'app.internal', port: 8080 })`, or, with ports, weights and backups (RFC 2782),
 * `dnsDiscovery({ srv: '_http._tcp.app.internal' })`. It queries as often as the TTL says. While no name server answers, and
 * when the name suddenly has no servers, the last good answer stays.
 */
export const dnsDiscovery = definePlugin({
  name: 'dns-discovery',
  schema: options,
  check: warnOfDiscovery,
  async manager({ pools, scope, log, clock, metrics, onClose }, { name, srv, ...parsed }) {
    const pool = poolOf(parsed, scope);
    const source = pools.source(sourceNameOf(parsed, 'dns', pool), guardOf(parsed));
    const asked = name ?? srv ?? '';
    const found = new FoundServers({ source, place: `the name ${asked}`, log, clock, metrics });
    // The options before a reload may have named another pool.
    for (const other of source.pools) if (other !== pool) found.leave(other);
    const { DnsWatch } = await import('./dns-watch.ts');
    const kind = srv === undefined ? 'addresses' : 'srv';
    const { port, interval, resolver } = parsed;
    const watch = new DnsWatch({
      ...{ ...parsed, port, interval, resolver },
      ...{ name: asked, kind, pool, found, clock },
    });
    onClose(() => watch.close());
    const first = watch.start();
    // After a reload there are servers, and there is no need to wait.
    if (!source.pools.includes(pool)) await first;
  },
});
