// FoundList: the servers of a DNS answer, with weights of SRV records, and their priorities as backups.
import type { SrvRecord } from 'node:dns';
import { hostText } from '../../core/network/host-text.ts';
import type { ServerInput } from '../../core/pool/server-definition.ts';
import type { DnsAddress } from './dns-question.ts';

/** What DNS does not say about servers. */
export interface FoundListOptions {
  readonly scheme: 'http' | 'https' | 'h2c';
  /** Undefined: the SRV records have the ports. */
  readonly port: number | undefined;
  /** The name in certificates; for SRV records it is their target. */
  readonly name: string;
}

/** The greatest weight of a server; SRV records go up to 65535. */
const maxWeight = 1000;

/** Returns the servers at these addresses, each once: of two records for one, the first by priority and weight counts. */
export function foundList(addresses: readonly DnsAddress[], options: FoundListOptions): ServerInput[] {
  let first = Number.POSITIVE_INFINITY;
  let heaviest = 0;
  for (const { srv } of addresses) {
    if (srv === undefined) continue;
    first = Math.min(first, srv.priority);
    heaviest = Math.max(heaviest, srv.weight);
  }
  const servers = new Map<string, ServerInput>();
  for (const { address, srv } of addresses) {
    const host = hostText(address);
    const url = `${options.scheme}://${host}:${srv?.port ?? options.port}`;
    if (servers.has(url)) continue;
    servers.set(url, {
      url,
      ...(options.scheme === 'https' && { tls: { servername: withoutDot(srv?.name ?? options.name) } }),
      ...(srv !== undefined && { weight: weightOf(srv, heaviest) }),
      // Those of later priorities are used only when all of the first are gone (RFC 2782).
      ...(srv !== undefined && srv.priority > first && { backup: true }),
    });
  }
  return [...servers.values()];
}

/** A weight of 0 means a small one: its server is used now and then (RFC 2782). */
function weightOf({ weight }: SrvRecord, heaviest: number): number {
  const scale = heaviest > maxWeight ? maxWeight / heaviest : 1;
  return Math.max(1, Math.round(weight * scale));
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, '');
}
