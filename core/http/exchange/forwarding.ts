// Forwarding fields: who the client is, said to the upstream in X-Forwarded-*, Forwarded and Via.
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { ProxyContext } from '../../request/context.ts';
import { type HeaderList, isFieldValue } from '../../request/headers.ts';
import { unixPeer } from '../../settings/network.ts';
import type { Settings } from '../../settings/settings.ts';
import { forwardingAlias } from '../h1/fields.ts';

/** What one client connection says of itself. */
export interface Peer {
  /** `unix:` for a client of a unix socket, which has no address. */
  readonly ip: string;
  readonly port: number;
  /** Empty for a unix socket. */
  readonly localPort: string;
  /** Is it a proxy whose X-Forwarded-* is believed? */
  readonly trusted: boolean;
  /** The lines that describe it, as the last request for `describedHost` got them; most requests name the same. */
  described: string;
  describedHost: string | undefined;
}

/** The longest chain of addresses that is looked through for the client's. */
const maxChain = 100;

/** Sets the forwarding fields of requests as the config says. */
export class Forwarding {
  private readonly mode: Settings['forwarded']['mode'];
  private readonly rfc7239: boolean;
  private readonly trusted = new BlockList();
  private readonly trustsAny: boolean;
  private readonly trustsUnix: boolean;
  private readonly via: readonly [oneZero: string, oneOne: string];
  private readonly pseudonym: string;

  constructor(settings: Settings) {
    const { mode, rfc7239, trusted } = settings.forwarded;
    this.mode = mode;
    this.rfc7239 = rfc7239;
    this.trustsAny = trusted.length > 0;
    this.trustsUnix = trusted.includes(unixPeer);
    this.pseudonym = settings.via;
    this.via = [`1.0 ${settings.via}`, `1.1 ${settings.via}`];
    for (const network of trusted) {
      if (network === unixPeer) continue;
      const [address = '', bits] = network.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      this.trusted.addSubnet(
        address,
        bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits),
        family,
      );
    }
  }

  /** Is this address one of a trusted proxy? */
  trusts(ip: string): boolean {
    if (ip === unixPeer) return this.trustsUnix;
    return this.trustsAny && isIP(ip) !== 0 && this.trusted.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
  }

  /** How often the request has passed a proxy of this name (RFC 9110 section 7.6.3). */
  passes(via: string): number {
    if (via === '') return 0;
    return via.split(',').filter(hop => hop.trim().split(/[ \t]+/)[1] === this.pseudonym).length;
  }

  /** Sets the fields on a request; `received`: it came with some already. */
  apply(ctx: ProxyContext, peer: Peer, received: boolean): void {
    const { headers } = ctx;
    ctx.clientIp = peer.ip;
    ctx.clientPort = peer.port;
    const believed = peer.trusted && received;
    if (believed) this.believe(ctx);
    if (this.mode === 'remove' || (this.mode === 'append' && received && !peer.trusted))
      dropForwarding(headers);
    if (this.mode === 'append') {
      if (believed) this.extend(ctx, peer);
      else headers.pushLines(this.describe(ctx, peer));
    }
    headers.push('Via', 'via', ctx.version === '1.0' ? this.via[0] : this.via[1]);
  }

  /** Nothing came that is believed: what is said is what this hop saw. */
  private describe(ctx: ProxyContext, peer: Peer): string {
    if (peer.describedHost === ctx.host) return peer.described;
    const lines = [`X-Forwarded-Proto: ${ctx.scheme}`];
    if (peer.ip !== unixPeer) lines.unshift(`X-Forwarded-For: ${peer.ip}`);
    if (ctx.host !== '') lines.push(`X-Forwarded-Host: ${ctx.host}`);
    if (peer.localPort !== '') lines.push(`X-Forwarded-Port: ${peer.localPort}`);
    if (this.rfc7239) lines.push(`Forwarded: ${forwardedElement(ctx, peer.ip)}`);
    lines.push('');
    peer.described = lines.join('\r\n');
    peer.describedHost = ctx.host;
    return peer.described;
  }

  /** A trusted proxy said something: this hop adds itself. */
  private extend(ctx: ProxyContext, peer: Peer): void {
    const { headers } = ctx;
    for (const key of headers.keys.filter(k => forwardingAlias.test(k) && !k.startsWith('x-forwarded-'))) {
      headers.delete(key);
    }
    const chain = headers.getAll('x-forwarded-for');
    // A peer without an address adds none: what came ends with the client that it has seen.
    if (peer.ip !== unixPeer) chain.push(peer.ip);
    if (chain.length > 0) headers.set('X-Forwarded-For', chain.join(', '));
    if (!headers.has('x-forwarded-proto')) headers.set('X-Forwarded-Proto', ctx.scheme);
    if (!headers.has('x-forwarded-host') && ctx.host !== '') headers.set('X-Forwarded-Host', ctx.host);
    if (peer.localPort !== '' && !headers.has('x-forwarded-port'))
      headers.set('X-Forwarded-Port', peer.localPort);
    if (this.rfc7239) {
      headers.set('Forwarded', [...headers.getAll('forwarded'), forwardedElement(ctx, peer.ip)].join(', '));
    } else if (headers.has('forwarded')) {
      headers.delete('forwarded');
    }
  }

  /** Takes the client's address and scheme from what the trusted proxies reported. */
  private believe(ctx: ProxyContext): void {
    const { headers } = ctx;
    const chain = headers.getAll('x-forwarded-for').join(',').split(',').slice(-maxChain);
    for (let i = chain.length - 1; i >= 0; i--) {
      const address = (chain[i] ?? '').trim().replace(/^\[|\]$/g, '');
      if (isIP(address) === 0) break;
      ctx.clientIp = address;
      if (!this.trusts(address)) break;
    }
    const scheme = headers.get('x-forwarded-proto')?.toLowerCase();
    if (scheme === 'http' || scheme === 'https') ctx.scheme = scheme;
  }
}

function dropForwarding(headers: HeaderList): void {
  for (const key of [...headers.keys]) {
    if (key === 'forwarded' || forwardingAlias.test(key)) headers.delete(key);
  }
}

function forwardedElement(ctx: ProxyContext, ip: string): string {
  // RFC 7239 section 6.2.
  const known = ip === unixPeer ? 'unknown' : ip;
  const node = isIPv6(ip) ? `"[${ip}]"` : known;
  const host = ctx.host === '' || !isFieldValue(ctx.host) ? '' : `;host="${ctx.host}"`;
  return `for=${node}${host};proto=${ctx.scheme}`;
}
