// Forwarding fields: describe the client to the upstream, in X-Forwarded-*, Forwarded and Via.
import type { X509Certificate } from 'node:crypto';
import { isIP, isIPv6 } from 'node:net';
import { NetworkSet, unixPeer, unknownClient } from '../../network/network.ts';
import { HeaderList, isFieldValue } from '../../request/headers.ts';
import type { HttpVersion, RequestState } from '../../request/request-state.ts';
import type { Settings } from '../../settings/settings.ts';
import {
  clientCertificateElement,
  clientCertificateField,
  isClientCertificateField,
} from './client-certificate.ts';
import { forwardingAlias } from './grammar.ts';
import type { Peer } from './streams.ts';

/** How many addresses of a chain are searched for the client's, from its end. */
const maxChain = 100;

/** Sets the forwarding fields of requests, as configured. */
export class Forwarding {
  private readonly mode: Settings['forwarded']['mode'];
  private readonly rfc7239: boolean;
  private readonly clientCertificate: Settings['forwarded']['clientCertificate'];
  private readonly trusted: NetworkSet;
  /** The Via line by version. */
  private readonly via: Readonly<Record<HttpVersion, string>>;
  private readonly pseudonym: string | false;

  constructor(settings: Settings) {
    const { mode, rfc7239, trusted, clientCertificate } = settings.forwarded;
    this.clientCertificate = clientCertificate;
    this.mode = mode;
    this.rfc7239 = rfc7239;
    this.trusted = new NetworkSet(trusted);
    this.pseudonym = settings.via;
    const line = (version: HttpVersion): string =>
      settings.via === false ? '' : viaLine(version, settings.via);
    this.via = { '1.0': line('1.0'), '1.1': line('1.1'), '2.0': line('2.0') };
  }

  /** Returns whether this is the address of a trusted proxy. */
  trusts(ip: string): boolean {
    return this.trusted.has(ip);
  }

  /** Whether upstreams are told about the certificates of clients. */
  get certifies(): boolean {
    return this.clientCertificate !== false;
  }

  /** Returns what upstreams are told about a client's certificate. */
  certify(certificate: X509Certificate): string {
    const wanted = this.clientCertificate;
    return clientCertificateElement(certificate, typeof wanted === 'object' && wanted.cert);
  }

  /** Returns how often a request has passed a proxy with Weldr's pseudonym (RFC 9110 section 7.6.3). */
  passes(via: string): number {
    if (via === '') return 0;
    return via.split(',').filter(hop => hop.trim().split(/[ \t]+/)[1] === this.pseudonym).length;
  }

  /** Sets the fields of a request; `received`: whether it arrived with any. */
  apply(state: RequestState, peer: Peer, received: boolean): void {
    state.clientIp = peer.ip;
    state.connection = peer;
    state.scheme = peer.scheme;
    const believed = peer.trusted && received;
    if (believed) this.believe(state);
    if (received && (this.mode === 'remove' || (this.mode === 'append' && !peer.trusted))) {
      state.ensureRare().cleanedHeaders = without(state.headers, isForwardingField);
    } else if (received && !peer.trusted) {
      // An upstream may authenticate clients by this field.
      state.ensureRare().cleanedHeaders = without(state.headers, isClientCertificateField);
    }
    const via = this.via[state.version];
    if (this.mode !== 'append') {
      state.addedLines = via;
    } else if (believed) {
      state.ensureRare().cleanedHeaders = this.extended(state, peer);
      state.addedLines = via;
    } else {
      state.addedLines = this.describe(state, peer, via);
    }
  }

  /** Describes the client as this hop sees it, if it sent no fields that are believed. */
  private describe(state: RequestState, peer: Peer, via: string): string {
    if (peer.describedHost === state.host && peer.described.endsWith(via)) return peer.described;
    const lines = new HeaderList();
    if (peer.ip !== unixPeer) lines.push('X-Forwarded-For', 'x-forwarded-for', peer.ip);
    lines.push('X-Forwarded-Proto', 'x-forwarded-proto', state.scheme);
    if (state.host !== '') lines.push('X-Forwarded-Host', 'x-forwarded-host', state.host);
    if (peer.localPort !== 0) lines.push('X-Forwarded-Port', 'x-forwarded-port', String(peer.localPort));
    if (this.rfc7239) lines.push('Forwarded', 'forwarded', forwardedElement(state, peer.ip));
    if (peer.certified !== '') {
      lines.push(clientCertificateField, clientCertificateField.toLowerCase(), peer.certified);
    }
    lines.pushLines(via);
    // Flattened: V8 would traverse a concatenated string for each request.
    peer.described = Buffer.from(lines.toLines(), 'latin1').toString('latin1');
    peer.describedHost = state.host;
    return peer.described;
  }

  /** Adds this hop to the fields of a trusted proxy. */
  private extended(state: RequestState, peer: Peer): HeaderList {
    const headers = state.headers.clone();
    for (const key of headers.keys.filter(k => forwardingAlias.test(k) && !k.startsWith('x-forwarded-'))) {
      headers.delete(key);
    }
    if (this.certifies) addClientCertificate(headers, peer.certified);
    const chain = headers.getAll('x-forwarded-for');
    // A peer without an address adds none, so the chain ends with the address that the peer saw.
    if (peer.ip !== unixPeer) chain.push(peer.ip);
    if (chain.length > 0) headers.set('X-Forwarded-For', chain.join(', '));
    if (!headers.has('x-forwarded-proto')) headers.set('X-Forwarded-Proto', state.scheme);
    if (!headers.has('x-forwarded-host') && state.host !== '') headers.set('X-Forwarded-Host', state.host);
    if (peer.localPort !== 0 && !headers.has('x-forwarded-port')) {
      headers.set('X-Forwarded-Port', String(peer.localPort));
    }
    if (this.rfc7239) {
      headers.set('Forwarded', [...headers.getAll('forwarded'), forwardedElement(state, peer.ip)].join(', '));
    } else if (headers.has('forwarded')) {
      headers.delete('forwarded');
    }
    return headers;
  }

  /** Takes the client's address and scheme from what trusted proxies reported. */
  private believe(state: RequestState): void {
    const { headers } = state;
    const chain = headers.getAll('x-forwarded-for').join(',').split(',').slice(-maxChain);
    for (let i = chain.length - 1; i >= 0; i--) {
      const node = (chain[i] ?? '').trim();
      // Empty elements of a list are ignored (RFC 9110 section 5.6.1.2).
      if (node === '') continue;
      // If it is not an address, the client is unknown: it must not count as the proxy that sent it.
      const address = addressOf(node) ?? unknownClient;
      state.clientIp = address;
      if (!this.trusts(address)) break;
    }
    const scheme = headers.get('x-forwarded-proto')?.toLowerCase();
    if (scheme === 'http' || scheme === 'https') state.scheme = scheme;
  }
}

const withPort = /^(?:([\d.]+)|\[([^\]]+)\])(?::\d{1,5})?$/;

/** The address of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:80`. */
function addressOf(node: string): string | undefined {
  if (isIP(node) !== 0) return node;
  const [, ipv4 = '', ipv6 = ''] = withPort.exec(node) ?? [];
  if (isIP(ipv4) === 4) return ipv4;
  return isIP(ipv6) === 6 ? ipv6 : undefined;
}

const isForwardingField = (key: string): boolean => key === 'forwarded' || forwardingAlias.test(key);

function without(received: HeaderList, isUnwanted: (key: string) => boolean): HeaderList {
  const headers = received.clone();
  for (const key of headers.keys) if (isUnwanted(key)) headers.delete(key);
  return headers;
}

/** Leaves one field, in one spelling, whose last element describes what this hop saw. */
function addClientCertificate(headers: HeaderList, certified: string): void {
  const elements = headers.getAll(clientCertificateField.toLowerCase());
  for (const key of headers.keys) if (isClientCertificateField(key)) headers.delete(key);
  if (certified !== '') elements.push(certified);
  if (elements.length > 0) headers.set(clientCertificateField, elements.join(','));
}

function viaLine(version: string, pseudonym: string): string {
  const lines = new HeaderList();
  lines.push('Via', 'via', `${version} ${pseudonym}`);
  return lines.toLines();
}

function forwardedElement(state: RequestState, ip: string): string {
  // RFC 7239 section 6.2.
  const known = ip === unixPeer ? 'unknown' : ip;
  const node = isIPv6(ip) ? `"[${ip}]"` : known;
  const host = state.host === '' || !isFieldValue(state.host) ? '' : `;host="${state.host}"`;
  return `for=${node}${host};proto=${state.scheme}`;
}
