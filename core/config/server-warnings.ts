// Warns of servers and pools that are legal but surely a mistake.
import { availableParallelism, networkInterfaces } from 'node:os';
import { expiryOf } from '../certificates/certificate-expiry.ts';
import { nearest } from '../errors/nearest.ts';
import type { PluginInstance } from '../plugin/plugin-instance.ts';
import { parseServerAddress } from '../pool/server-address.ts';
import type { HealthCheckSettings, ServerDefinition } from '../pool/server-definition.ts';
import type { ProxyVersion, UpstreamTls } from '../pool/upstream-record.ts';
import { parseTcpAddress } from '../settings/listen.ts';
import type { Settings } from '../settings/settings.ts';

/** One pool of a config, and its place there. */
interface PlacedPool {
  readonly name: string;
  /** The path of its servers, such as `pools.api.servers`. */
  readonly at: string;
  readonly servers: readonly ServerDefinition[];
  readonly healthCheck?: HealthCheckSettings | undefined;
  readonly http2?: boolean | undefined;
  readonly proxyProtocol?: ProxyVersion | undefined;
}

/** The warnings about servers and pools of a config; `addresses`: where plugins listen. */
export function* poolWarnings(
  settings: Settings,
  plugins: readonly PluginInstance[],
  addresses: readonly string[],
): Generator<string> {
  const own = new OwnListeners([...settings.listen.map(({ address }) => address), ...addresses]);
  const checks = plugins.some(({ plugin }) => plugin.role === 'active-check');
  for (const [name, { tls, healthCheck }] of Object.entries(settings.pools)) {
    const at = `pools.${name}`;
    yield* tlsWarnings(tls, `${at}.tls`, `the servers of pool ${name}`);
    yield* checkWarnings(healthCheck, `${at}.healthCheck`, checks);
  }
  for (const pool of poolsOf(settings)) {
    for (const [index, server] of pool.servers.entries()) {
      const at = `${pool.at}[${index}]`;
      const loop = own.covering(server.url);
      if (loop !== undefined) {
        yield `${at}.url: ${server.url} is this Weldr itself, which listens on ${loop}; requests for it get 508`;
      }
      yield* portWarnings(server, at);
      yield* roomWarnings(server, settings.workers, at);
      yield* protocolWarnings(server, pool, at);
      yield* tlsWarnings(server.tls, `${at}.tls`, server.url);
      yield* checkWarnings(server.healthCheck, `${at}.healthCheck`, checks);
    }
    yield* groupWarnings(pool);
    if (settings.zone !== undefined) yield* zoneWarnings(settings.zone, pool);
  }
}

function poolsOf({ servers, pools }: Settings): PlacedPool[] {
  const named = Object.entries(pools).map(([name, pool]) => ({ name, at: `pools.${name}.servers`, ...pool }));
  return [{ name: 'default', at: 'servers', servers }, ...named];
}

/** Warnings about the servers of a pool together. */
function* groupWarnings({ name, at, servers }: PlacedPool): Generator<string> {
  if (servers.length === 0) return;
  if (servers.every(({ state }) => state !== 'active')) {
    yield `${at}: no server of pool ${name} has state "active", so none gets new requests`;
  } else if (servers.every(({ backup }) => backup === true)) {
    yield `${at}: all servers of pool ${name} are backups, which only step in for others; remove backup from those that are not`;
  }
}

/** A zone that is spelled in two ways, or missing. */
function* zoneWarnings(own: string, { name, at, servers }: PlacedPool): Generator<string> {
  const zones = [...new Set(servers.flatMap(({ zone }) => zone ?? []))];
  if (zones.length === 0 || zones.includes(own)) return;
  const near = nearest(own, zones);
  const meant = near === undefined ? '' : `; did you mean ${near}?`;
  yield `${at}: no server of pool ${name} is in zone ${own}, where this Weldr is, so all of them get its requests${meant}`;
}

/** Each worker may give a server at least one request. */
function* roomWarnings(
  { maxConnections }: ServerDefinition,
  workers: Settings['workers'],
  at: string,
): Generator<string> {
  const count = workers === 'auto' ? availableParallelism() : workers;
  if (maxConnections === undefined || maxConnections >= count) return;
  yield `${at}.maxConnections: there may be ${count}, one from each worker; set workers to ${maxConnections} for ${maxConnections} in all`;
}

/** A port that is usual for the other protocol. */
function* portWarnings({ url }: ServerDefinition, at: string): Generator<string> {
  const { endpoint, protocol } = parseServerAddress(url);
  if (endpoint.kind !== 'tcp') return;
  if (protocol === 'http:' && endpoint.port === 443) {
    yield `${at}.url: ${url} is plain HTTP to the port of HTTPS; write https://${endpoint.hostname}`;
  } else if (protocol === 'https:' && endpoint.port === 80) {
    yield `${at}.url: ${url} is HTTPS to the port of plain HTTP; write http://${endpoint.hostname}, or the right port`;
  }
}

/** Settings of a server that conflict with its pool's. */
function* protocolWarnings(
  { url, http2, proxyProtocol }: ServerDefinition,
  pool: PlacedPool,
  at: string,
): Generator<string> {
  const wantsHttp2 = url.startsWith('h2c:') || (http2 ?? pool.http2) === true;
  if (!wantsHttp2 || (proxyProtocol ?? pool.proxyProtocol) === undefined) return;
  yield `${at}: ${url} gets HTTP/1.1, because the PROXY protocol does not work with HTTP/2; leave one of them out`;
}

function* tlsWarnings(tls: UpstreamTls | undefined, at: string, who: string): Generator<string> {
  if (tls === undefined) return;
  if (tls.verify === false) {
    yield `${at}.verify: without it, anyone on the network path can pose as ${who}; name its authority in tls.ca instead`;
  }
  for (const field of ['ca', 'cert'] as const) {
    const expiry = tls[field] === undefined ? undefined : expiryOf(tls[field], Date.now());
    if (expiry !== undefined) yield `${at}.${field}: ${expiry}`;
  }
}

function* checkWarnings(
  check: HealthCheckSettings | undefined,
  at: string,
  checks: boolean,
): Generator<string> {
  if (check === undefined) return;
  if (!checks) yield `${at}: no plugin checks health, so this does nothing; add healthCheck() to plugins`;
  if (check.interval !== undefined && check.timeout !== undefined && check.timeout > check.interval) {
    yield `${at}.timeout: a check may take ${check.timeout} ms, but the next is due after ${check.interval} ms; make timeout shorter than interval`;
  }
}

// --- this Weldr as a server ------------------------------------------------------------------------------------

/** Hosts that mean all addresses of a machine. */
const everywhere: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

class OwnListeners {
  private readonly addresses: readonly string[];
  private here: ReadonlySet<string> | undefined;

  constructor(addresses: readonly string[]) {
    this.addresses = addresses;
  }

  /** The address of this Weldr that a server's URL leads to; undefined: none, as far as is known without a look-up. */
  covering(url: string): string | undefined {
    const { endpoint } = parseServerAddress(url);
    if (endpoint.kind === 'unix') return this.addresses.find(address => address === `unix:${endpoint.path}`);
    return this.addresses.find(address => {
      const own = parseTcpAddress(address);
      if (own === undefined || own.port !== endpoint.port || own.port === 0) return false;
      if (own.host === endpoint.hostname) return true;
      if (endpoint.hostname === 'localhost') return everywhere.has(own.host) || isLoopback(own.host);
      return everywhere.has(own.host) && this.isHere(endpoint.hostname);
    });
  }

  private isHere(hostname: string): boolean {
    this.here ??= new Set(
      Object.values(networkInterfaces()).flatMap(all => all?.map(({ address }) => address) ?? []),
    );
    return isLoopback(hostname) || everywhere.has(hostname) || this.here.has(hostname);
  }
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host === 'localhost';
}
