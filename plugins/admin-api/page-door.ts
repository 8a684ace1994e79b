// PageDoor: access for browsers: `/` redirects to the page that a plugin offers, and the calls of the page carry a session
// cookie.
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { WeldrError } from '../../core/errors.ts';
import { parse } from '../../core/options/options.ts';
import type { AdminAnswer, AdminPage, AdminRoute, AdminRoutes } from '../../core/plugin/admin.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { AccessGuard, Call } from './access-guard.ts';
import { problemAnswer } from './problem.ts';
import type { Session, Sessions } from './sessions.ts';

const signIn = z.strictObject({ token: z.string().max(1024) });

export interface PageDoorOptions {
  readonly routes: AdminRoutes;
  readonly sessions: Sessions;
  readonly clock: Clock;
  /** Whether callers use TLS. */
  readonly secure: boolean;
  readonly version: string;
}

/** The relevant parts of a browser's request. */
interface Asked {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** Access for browsers. If no plugin offers a page there is none, and cookies are ignored. */
export class PageDoor {
  private readonly options: PageDoorOptions;
  /** Part of the cookie's name: all ports of a host share cookies. */
  private port = '';

  constructor(options: PageDoorOptions) {
    this.options = options;
  }

  /** Call it with the address on which the server listens. */
  listensOn(address: string): void {
    this.port = address.slice(address.lastIndexOf(':') + 1);
  }

  /** Returns where to redirect: to the page, for a browser that opens `/`. */
  leadOf({ method, url, headers }: Asked): string | undefined {
    const { page } = this;
    if (page === undefined || method !== 'GET' || headers.authorization !== undefined) return undefined;
    const target = url?.split('?', 1)[0];
    if (target === page.path.slice(0, -1)) return page.path;
    return target === '/' && /\btext\/html\b/.test(headers.accept ?? '') ? page.path : undefined;
  }

  /** Returns the target of a call of the page: `/servers` for `/ui/api/servers`; undefined: it is not a call of the page. */
  targetOf({ url = '' }: Asked): string | undefined {
    const prefix = this.page === undefined ? undefined : `${this.page.path}api`;
    return prefix !== undefined && url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : undefined;
  }

  /** Returns the session of a call of the page. */
  sessionOf(headers: IncomingHttpHeaders): Session | undefined {
    const { page } = this;
    const id = this.cookieOf(headers);
    if (page === undefined || id === undefined) return undefined;
    return this.options.sessions.use(id, page, this.options.clock.now());
  }

  /** Returns the route by which the page signs in and out, for one call. */
  sessionRoute(method: AdminRoute['method'], guard: AccessGuard, call: Call): AdminRoute {
    return {
      method,
      path: '/session',
      access: 'everybody',
      maxBody: 8 * 1024,
      handle: ({ body }) => {
        if (method === 'GET') return this.identify(guard, call);
        guard.refuseOtherPages(call.headers);
        return method === 'POST' ? this.signIn(guard, call, body) : this.signOut(call);
      },
    };
  }

  private get page(): AdminPage | undefined {
    return this.options.routes.page;
  }

  /** Returns who the caller is. */
  private identify(guard: AccessGuard, call: Call): AdminAnswer {
    const { version } = this.options;
    try {
      const { role, by } = guard.admit(call);
      const { session } = call;
      const { page } = this;
      const ends = session === undefined || page === undefined ? undefined : session.since + page.sessionMs;
      return {
        status: 200,
        body: { signedIn: true, withToken: session !== undefined, role, by, version, ends },
      };
    } catch (thrown) {
      if (!(thrown instanceof WeldrError) || thrown.code !== 'UNAUTHORIZED') throw thrown;
      return { status: 200, body: { signedIn: false } };
    }
  }

  private signIn(guard: AccessGuard, { address = '', headers }: Call, body: unknown): AdminAnswer {
    const { sessions, clock } = this.options;
    const now = clock.now();
    const wait = sessions.pace.waitOf(address, now);
    if (wait > 0) {
      const seconds = Math.ceil(wait / 1000);
      const error = new WeldrError('TOO_MANY_ATTEMPTS', `too many wrong tokens; try again in ${seconds} s`);
      return problemAnswer(error, { 'Retry-After': String(seconds) });
    }
    const { token } = parse(signIn, body, 'INPUT_INVALID');
    const found = guard.holderOf(token.trim());
    if (found === undefined) {
      sessions.pace.failed(address, now);
      throw new WeldrError('UNAUTHORIZED', 'this is not the token');
    }
    sessions.pace.succeeded(address);
    const before = this.cookieOf(headers);
    if (before !== undefined) sessions.end(before);
    const id = sessions.begin(found.role, found.digest, now);
    return { status: 200, body: { role: found.role }, headers: { 'Set-Cookie': this.cookie(id) } };
  }

  private signOut({ headers }: Call): AdminAnswer {
    const id = this.cookieOf(headers);
    if (id !== undefined) this.options.sessions.end(id);
    return { status: 204, body: undefined, headers: { 'Set-Cookie': `${this.cookie('')}; Max-Age=0` } };
  }

  private get cookieName(): string {
    return `${this.options.secure ? '__Secure-' : ''}weldr-${this.port}`;
  }

  private cookie(id: string): string {
    const secure = this.options.secure ? '; Secure' : '';
    return `${this.cookieName}=${id}; Path=${this.page?.path}; HttpOnly; SameSite=Strict${secure}`;
  }

  private cookieOf({ cookie = '' }: IncomingHttpHeaders): string | undefined {
    const prefix = `${this.cookieName}=`;
    const found = cookie.split(';').find(part => part.trimStart().startsWith(prefix));
    return found?.trim().slice(prefix.length);
  }
}
