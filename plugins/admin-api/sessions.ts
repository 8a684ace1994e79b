// Sessions: callers who have signed in with a token, in a browser. Kept over reloads, bound in time and number.

import { createHash, randomBytes } from 'node:crypto';
import { keepNewest } from '../../core/bounded/newest.ts';
import type { AdminPage, AdminRole } from '../../core/plugin/admin.ts';
import { SignInPace } from './sign-in-pace.ts';

/** More than operators have browsers; the oldest makes room. */
const maxSessions = 256;

/** How long a session lasts. */
export type SessionBounds = Pick<AdminPage, 'idleMs' | 'sessionMs'>;

/** One sign-in. */
export interface Session {
  readonly role: AdminRole;
  /** The digest of the token that it was made with: another token at a reload ends it. */
  readonly token: string;
  readonly since: number;
  lastSeen: number;
}

/** All sessions of a manager. Who can read its memory finds no cookie there, only their digests. */
export class Sessions {
  readonly pace = new SignInPace();
  private readonly byDigest = new Map<string, Session>();

  /** Signs in; returns the secret that is the cookie. */
  begin(role: AdminRole, token: string, now: number): string {
    const id = randomBytes(32).toString('base64url');
    this.byDigest.set(digestOf(id), { role, token, since: now, lastSeen: now });
    keepNewest(this.byDigest, maxSessions);
    return id;
  }

  /** The session of a cookie, which lasts on by this; undefined: there is none, or it has ended. */
  use(id: string, { idleMs, sessionMs }: SessionBounds, now: number): Session | undefined {
    const digest = digestOf(id);
    const session = this.byDigest.get(digest);
    if (session === undefined) return undefined;
    if (now - session.since < sessionMs && now - session.lastSeen < idleMs) {
      session.lastSeen = now;
      return session;
    }
    this.byDigest.delete(digest);
    return undefined;
  }

  /** Signs out. */
  end(id: string): void {
    this.byDigest.delete(digestOf(id));
  }
}

function digestOf(id: string): string {
  return createHash('sha256').update(id).digest('base64');
}
