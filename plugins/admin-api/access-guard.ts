// AccessGuard: who may call the admin API. A bearer token where one is set, or a certificate of the caller, or a session, and
// never a page of another site.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { WeldrError } from '../../core/errors.ts';
import { NetworkSet } from '../../core/network/network.ts';
import type { AdminRole } from '../../core/plugin/admin.ts';
import type { Session } from './sessions.ts';

/** Paths that an orchestrator may ask for without a token: they say no more than "alive" and "ready". */
const openPaths: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

const loopback = new NetworkSet(['127.0.0.0/8', '::1']);

/** What proxies add to what they pass on. */
const forwardingFields = ['via', 'forwarded', 'x-real-ip'];

/** Is it a name or address of this machine only: `localhost`, 127.0.0.0/8, ::1? */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || loopback.has(host);
}

export interface AccessGuardOptions {
  /** Without one, everybody who can connect is let in. */
  readonly token: string | undefined;
  /** Who sends this one may look, and change nothing. */
  readonly readToken: string | undefined;
  /** Are callers asked for certificates? */
  readonly clientAuth: 'request' | 'require' | undefined;
  /** The host that is listened on. */
  readonly listenHost: string;
  /** More names that it is reached by. */
  readonly hosts: readonly string[];
}

/** A call, as far as it says who makes it. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly address: string | undefined;
  /** The subject of the certificate by which the caller is known. */
  readonly certificate: string | undefined;
  /** Is it made by the page for browsers? */
  readonly viaPage: boolean;
  /** The session whose cookie it carries; only of a call by the page. */
  readonly session: Session | undefined;
}

/** Who was let in. */
export interface Caller {
  readonly role: AdminRole;
  /** For logs and for what is kept: the address, and what it has shown. */
  readonly by: string;
}

/** A token, as its digest. */
interface Token {
  readonly role: AdminRole;
  readonly bytes: Buffer;
  readonly digest: string;
}

/** The page's scripts send this field; forms and images of other pages cannot. */
const pageField = 'weldr-page';

/** The checks that a request passes before anything is done with it. */
export class AccessGuard {
  private readonly tokens: readonly Token[];
  private readonly clientAuth: AccessGuardOptions['clientAuth'];
  private readonly hosts: ReadonlySet<string>;

  constructor({ token, readToken, clientAuth, listenHost, hosts }: AccessGuardOptions) {
    this.clientAuth = clientAuth;
    this.tokens = [...tokenOf('operator', token), ...tokenOf('reader', readToken)];
    this.hosts = new Set([listenHost, ...hosts].map(host => host.toLowerCase()));
  }

  /** Lets a caller in. Throws UNAUTHORIZED or FORBIDDEN. */
  admit(call: Call): Caller {
    const { path, method, headers, viaPage } = call;
    if (openPaths.has(path)) return this.callerOf(call, 'reader', '');
    this.refuseOtherSites(headers);
    if (viaPage && method !== 'GET' && method !== 'HEAD') this.refuseOtherPages(headers);
    const isKnown = call.certificate !== undefined;
    if (this.tokens.length === 0) {
      if (!isKnown) {
        this.refuseOtherHosts(headers.host);
        this.refuseProxied(headers);
      }
      return this.callerOf(call, 'operator', '');
    }
    // Where everybody has a certificate, a token is asked for on top.
    if (isKnown && this.clientAuth !== 'require') return this.callerOf(call, 'operator', '');
    const role = this.roleOf(call);
    return this.callerOf(call, role, role === 'reader' ? ' with the read-only token' : ' with the token');
  }

  /** Whose token it is, compared in constant time; undefined: nobody's. */
  holderOf(given: string): Omit<Token, 'bytes'> | undefined {
    // Digests have one length, so that the comparison tells nothing about the token, not even its length.
    const bytes = digest(given);
    return this.tokens.find(token => timingSafeEqual(bytes, token.bytes));
  }

  /** Lets only the page's own scripts through: a cookie comes along whoever had the browser send it. Throws FORBIDDEN. */
  refuseOtherPages(headers: IncomingHttpHeaders): void {
    const { origin, host } = headers;
    const site = headers['sec-fetch-site'];
    const isOwn =
      site === undefined ? URL.parse(origin ?? '')?.host === host?.toLowerCase() : site === 'same-origin';
    if (isOwn && headers[pageField] !== undefined) return;
    throw new WeldrError('FORBIDDEN', 'only the page itself may send this, with the field Weldr-Page');
  }

  private callerOf({ address, certificate, viaPage }: Call, role: AdminRole, shown: string): Caller {
    const from = (address ?? 'somebody').replace(/^::ffff:/, '');
    const how = certificate === undefined ? shown : ` with the certificate ${certificate.slice(0, 200)}`;
    return { role, by: `${from}${how}${viaPage ? ' on the dashboard' : ''}` };
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

  private roleOf({ headers, session }: Call): AdminRole {
    if (session !== undefined && this.tokens.some(token => token.digest === session.token))
      return session.role;
    const given = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
    const holder = given === undefined ? undefined : this.holderOf(given);
    if (holder !== undefined) return holder.role;
    const why =
      given === undefined ? 'send Authorization: Bearer TOKEN' : 'the bearer token is not the right one';
    throw new WeldrError('UNAUTHORIZED', why);
  }
}

function tokenOf(role: AdminRole, token: string | undefined): Token[] {
  if (token === undefined) return [];
  const bytes = digest(token);
  return [{ role, bytes, digest: bytes.toString('base64') }];
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
