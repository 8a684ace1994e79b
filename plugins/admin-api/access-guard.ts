// AccessGuard: who may call the admin API. A bearer token where one is set, or a certificate of the caller, and never a
// page of another site.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { WeldrError } from '../../core/errors.ts';

/** Paths that an orchestrator may ask for without a token: they say no more than "alive" and "ready". */
const openPaths: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** What proxies add to what they pass on. */
const forwardingFields = ['via', 'forwarded', 'x-real-ip'];

/** Is it a name or address of this machine only: `localhost`, 127.0.0.0/8, ::1? */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host.toLowerCase() === 'localhost';
  return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

export interface AccessGuardOptions {
  /** Without one, everybody who can connect is let in. */
  readonly token: string | undefined;
  /** Are callers asked for certificates? */
  readonly clientAuth: 'request' | 'require' | undefined;
  /** The host that is listened on. */
  readonly listenHost: string;
  /** More names that it is reached by. */
  readonly hosts: readonly string[];
}

/** The checks that a request passes before anything is done with it. */
export class AccessGuard {
  private readonly token: Buffer | undefined;
  private readonly clientAuth: AccessGuardOptions['clientAuth'];
  private readonly hosts: ReadonlySet<string>;

  constructor({ token, clientAuth, listenHost, hosts }: AccessGuardOptions) {
    this.clientAuth = clientAuth;
    this.token = token === undefined ? undefined : digest(token);
    this.hosts = new Set([listenHost, ...hosts].map(host => host.toLowerCase()));
  }

  /** Throws UNAUTHORIZED or FORBIDDEN; `certificate`: the subject of the one by which the caller is known. */
  check(path: string, headers: IncomingHttpHeaders, certificate: string | undefined): void {
    if (openPaths.has(path)) return;
    this.refuseOtherSites(headers);
    const isKnown = certificate !== undefined;
    if (this.token !== undefined) {
      // Where everybody has a certificate, a token is asked for on top.
      if (!isKnown || this.clientAuth === 'require') this.checkToken(this.token, headers.authorization);
    } else if (!isKnown) {
      this.refuseOtherHosts(headers.host);
      this.refuseProxied(headers);
    }
  }

  /** Who asks, for logs and for what is kept: the address, and what it has shown. */
  callerOf(address: string | undefined, certificate: string | undefined): string {
    const from = (address ?? 'somebody').replace(/^::ffff:/, '');
    if (certificate !== undefined) return `${from} with the certificate ${certificate.slice(0, 200)}`;
    return this.token === undefined ? from : `${from} with the token`;
  }

  /** What a browser says of the page that sends a request: the Fetch standard's Origin and Sec-Fetch-Site. */
  private refuseOtherSites(headers: IncomingHttpHeaders): void {
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin' && site !== 'none') {
      throw new WeldrError('FORBIDDEN', 'pages of other sites may not call the admin API (Sec-Fetch-Site)');
    }
    const { origin, host } = headers;
    if (origin === undefined) return;
    const from = URL.canParse(origin) ? new URL(origin).host : undefined;
    if (from === undefined || from !== host?.toLowerCase()) {
      throw new WeldrError('FORBIDDEN', 'pages of other sites may not call the admin API (Origin)');
    }
  }

  /**
   * Against DNS rebinding: a page may let its own name point here, but then the browser sends that name. It shows no
   * certificate of the caller to it, as that of this server is for another name.
   */
  private refuseOtherHosts(header: string | undefined): void {
    const host = /^(\[[^\]]*\]|[^:]*?)\.?(:\d*)?$/
      .exec(header ?? '')?.[1]
      ?.replace(/^\[|\]$/g, '')
      .toLowerCase();
    if (host !== undefined && (isLoopback(host) || this.hosts.has(host))) return;
    throw new WeldrError(
      'FORBIDDEN',
      `the admin API is not known as ${JSON.stringify(header ?? '')}: call it by its address, or name this host in adminApi({ hosts })`,
    );
  }

  /** Who can only reach a proxy of this machine must not get at what trusts the machine. */
  private refuseProxied(headers: IncomingHttpHeaders): void {
    const field = Object.keys(headers).find(
      name => forwardingFields.includes(name) || name.startsWith('x-forwarded-'),
    );
    if (field === undefined) return;
    throw new WeldrError(
      'FORBIDDEN',
      `this call came through a proxy (${field}): set adminApi({ token }) or WELDR_ADMIN_TOKEN and send it, or call the admin API directly`,
    );
  }

  private checkToken(token: Buffer, authorization: string | undefined): void {
    const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    // Digests have one length, so that the comparison tells nothing about the token, not even its length.
    if (given !== undefined && timingSafeEqual(digest(given), token)) return;
    const why =
      given === undefined ? 'send Authorization: Bearer TOKEN' : 'the bearer token is not the right one';
    throw new WeldrError('UNAUTHORIZED', why);
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
