// AccessGuard: admits callers to the admin API: by bearer token, if one is set, by client certificate, or by session, and
// never pages of other sites.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { WeldrError } from '../../core/errors.ts';
import { NetworkSet } from '../../core/network/network.ts';
import type { AdminRole } from '../../core/plugin/admin.ts';
import type { Session } from './sessions.ts';

/** Paths that need no token, for orchestrators: they reveal no more than "alive" and "ready". */
const openPaths: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

const loopback = new NetworkSet(['127.0.0.0/8', '::1']);

/** Fields that proxies add. */
const forwardingFields = ['via', 'forwarded', 'x-real-ip'];

/** Returns whether it is a name or address of this machine only: `localhost`, 127.0.0.0/8 or ::1. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || loopback.has(host);
}

export interface AccessGuardOptions {
  /** Undefined: every caller that can connect is admitted. */
  readonly token: string | undefined;
  /** The token for read-only access. */
  readonly readToken: string | undefined;
  /** Whether callers are asked for certificates, or must have one; undefined: they are not asked. */
  readonly clientAuth: 'request' | 'require' | undefined;
  /** The host that is listened on. */
  readonly listenHost: string;
  /** Additional names by which it is reached. */
  readonly hosts: readonly string[];
}

/** What a call reveals about its caller. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly address: string | undefined;
  /** The subject of the certificate by which the caller is known. */
  readonly certificate: string | undefined;
  /** Whether it is made by the dashboard's page. */
  readonly viaPage: boolean;
  /** The session of its cookie; only for calls of the page. */
  readonly session: Session | undefined;
}

/** An admitted caller. */
export interface Caller {
  readonly role: AdminRole;
  /** For logs and rows: the address, and how the caller identified itself. */
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

  /** Admits a caller. Throws UNAUTHORIZED or FORBIDDEN. */
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
    // If certificates are required, a token is needed in addition.
    if (isKnown && this.clientAuth !== 'require') return this.callerOf(call, 'operator', '');
    const role = this.roleOf(call);
    return this.callerOf(call, role, role === 'reader' ? ' with the read-only token' : ' with the token');
  }

  /** Returns the holder of a token, compared in constant time; undefined: the token is wrong. */
  holderOf(given: string): Omit<Token, 'bytes'> | undefined {
    // Digests have equal lengths, so that the comparison reveals nothing about the token, not even its length.
    const bytes = digest(given);
    return this.tokens.find(token => timingSafeEqual(bytes, token.bytes));
  }

  /** Admits only the page's own scripts: browsers send the cookie with requests that other pages cause, too. Throws FORBIDDEN. */
  refuseOtherPages(headers: IncomingHttpHeaders): void {
    const { origin, host } = headers;
    const site = headers['sec-fetch-site'];
    const isOwn =
      site === undefined ? URL.parse(origin ?? '')?.host === host?.toLowerCase() : site === 'same-origin';
    if (isOwn && headers[pageField] !== undefined) return;
    throw new WeldrError('FORBIDDEN', 'only the page itself may send this, with the field Weldr-Page');
  }

  private callerOf({ address, certificate, viaPage }: Call, role: AdminRole, shown: string): Caller {
    const from = (address ?? 'an unknown address').replace(/^::ffff:/, '');
    const how = certificate === undefined ? shown : ` with the certificate ${certificate.slice(0, 200)}`;
    return { role, by: `${from}${how}${viaPage ? ' on the dashboard' : ''}` };
  }

  /** Checks what a browser says about the page that sends a request: Origin and Sec-Fetch-Site of the Fetch standard. */
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
   * Prevents DNS rebinding: a page's own name may be pointed here, but then the browser sends that name. It presents no
   * client certificate in that case, because the certificate of this server is for another name.
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

  /** A client that can only reach a proxy on this machine must not get the rights of the machine. */
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
    const why = given === undefined ? 'send Authorization: Bearer TOKEN' : 'the bearer token is wrong';
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
