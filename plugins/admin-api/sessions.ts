// Sessions: callers who have signed in with a token, in a browser. They survive reloads, and are bounded in time and number.
import { createHash, randomBytes } from 'node:crypto';
import { keepNewest } from '../../core/bounded/newest.ts';
import type { AdminPage, AdminRole } from '../../core/plugin/admin.ts';
import { SignInPace } from './sign-in-pace.ts';

/** More than operators have browsers; the oldest is dropped. */
const maxSessions = 256;

/** How long a session lasts. */
export type SessionBounds = Pick<AdminPage, 'idleMs' | 'sessionMs'>;

/** One sign-in. */
export interface Session {
  readonly role: AdminRole;
  /** The digest of its token: a changed token ends it at a reload. */
  readonly token: string;
  readonly since: number;
  lastSeen: number;
}

/** All sessions of a manager. Its memory holds only digests of cookies. */
export class Sessions {
  readonly pace = new SignInPace();
  private readonly byDigest = new Map<string, Session>();

  /** Signs in and returns the secret for the cookie. */
  begin(role: AdminRole, token: string, now: number): string {
    const id = randomBytes(32).toString('base64url');
    this.byDigest.set(digestOf(id), { role, token, since: now, lastSeen: now });
    keepNewest(this.byDigest, maxSessions);
    return id;
  }

  /** Returns the session of a cookie and extends it; undefined: there is none, or it has ended. */
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
