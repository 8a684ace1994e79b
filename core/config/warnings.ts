// Warns of what is legal in a config but surely a mistake, one sentence each: for `weldr check` and the log of a start.
import { isIP } from 'node:net';
import { unixPeer } from '../network/network.ts';
import type { PluginInstance } from '../plugin/plugin-instance.ts';
import type { Settings } from '../settings/settings.ts';
import { bareDurations } from './bare-durations.ts';
import { secretWarnings } from './secret-warnings.ts';
import { poolWarnings } from './server-warnings.ts';

/** The warnings of plugins while they check their options. */
export interface PluginRemarks {
  /** Each with the place of its plugin. */
  readonly warnings: readonly string[];
  /** Where they listen. */
  readonly addresses: readonly string[];
}

/** More than this many are not helpful. */
const mostShown = 20;

/** All warnings about a config, at most 20; `given`: as it was written. Looks at files, and opens nothing. */
export function warningsOf(
  config: {
    readonly settings: Settings;
    readonly plugins: readonly PluginInstance[];
    readonly remarks: PluginRemarks;
  },
  given: unknown,
): string[] {
  const { settings, plugins, remarks } = config;
  const all = [
    ...bareDurations(given, plugins),
    ...trustWarnings(settings),
    ...certificateWarnings(settings),
    ...poolWarnings(settings, plugins, remarks.addresses),
    ...remarks.warnings,
    ...secretWarnings(plugins),
    ...emptyWarnings(plugins),
  ];
  const more = all.length - mostShown;
  return more <= 0 ? all : [...all.slice(0, mostShown), `${more} more of this kind`];
}

function* trustWarnings({ forwarded, listen }: Settings): Generator<string> {
  yield* openTrustWarnings(forwarded.trusted, 'forwarded.trusted');
  for (const [index, { address, target, proxyProtocol }] of listen.entries()) {
    if (proxyProtocol === undefined) continue;
    const { trusted } = proxyProtocol;
    const at = `listen[${index}].proxyProtocol.trusted`;
    yield* openTrustWarnings(trusted, at);
    const isUnix = target.kind === 'unix';
    if (trusted.some(who => (who === unixPeer) === isUnix)) continue;
    const remedy = isUnix ? `write "${unixPeer}"` : 'name the addresses of the proxies in front';
    yield `${at}: no client of ${address} is among them, so all are refused; ${remedy}`;
  }
}

function* openTrustWarnings(trusted: readonly string[], at: string): Generator<string> {
  for (const [index, network] of trusted.entries()) {
    const [address = '', bits] = network.split('/');
    if (Number(bits) !== 0 || bits === undefined || isIP(address) === 0) continue;
    yield `${at}[${index}]: ${network} lets every client say what its address is; name the proxies in front`;
  }
}

function* certificateWarnings({ forwarded, listen }: Settings): Generator<string> {
  if (forwarded.clientCertificate === false || listen.some(({ tls }) => tls?.clientAuth !== undefined))
    return;
  yield 'forwarded.clientCertificate: no listener asks for certificates of clients; give one of them tls.clientAuth';
}

function* emptyWarnings(plugins: readonly PluginInstance[]): Generator<string> {
  for (const { plugin, at } of plugins) {
    const { children = [] } = plugin;
    if (children.length === 0 || children.some(child => child.plugins.length > 0)) continue;
    yield `${at}: ${plugin.name} has no plugins, so it does nothing; list some after its matcher`;
  }
}
