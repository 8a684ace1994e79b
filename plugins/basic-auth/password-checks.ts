// PasswordChecks: the bounded queue in front of the checker, and the memory of correct credentials.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../core/time/clock.ts';
import type { PasswordChecker } from './password-checker.ts';
import type { Users } from './users.ts';

/** The verdict on a name and a password; `busy`: the queue is full, `crowding`: this client's part of it is. */
export type Verdict = 'right' | 'wrong' | 'busy' | 'crowding' | 'failed';

/** A name and a password as a client sent them. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

type Waiter = (verdict: Verdict) => void;

interface Check {
  readonly credentials: Credentials;
  readonly digest: Buffer;
  readonly client: string;
  readonly waiters: Set<Waiter>;
}

/** The collaborators of password checks. */
export interface PasswordChecksOptions {
  readonly users: Users;
  readonly checker: PasswordChecker;
  readonly clock: Clock;
  /** How long correct credentials are remembered, ms. */
  readonly remember: number;
  /** Checks that may wait. */
  readonly queue: number;
  /** Called with the reason when a check fails. */
  failed(error: unknown): void;
}

/** The most checks of one client that may wait: only a part of the queue, so that its guesses do not keep others out. */
const shareOfClient = 4;

/** Checks names and passwords, one after another; equal ones that arrive together share one check. */
export class PasswordChecks {
  private readonly options: PasswordChecksOptions;
  /** Never leaves this process, so that what is remembered reveals no password. */
  private readonly key = randomBytes(32);
  private readonly known = new Map<string, { readonly digest: Buffer; readonly until: number }>();
  private readonly checks = new Map<string, Check>();
  private readonly waiting: Check[] = [];
  private running = false;

  constructor(options: PasswordChecksOptions) {
    this.options = options;
  }

  /**
   * Calls `waiter` with the verdict, at once if it is known. Returns a function that leaves the queue; undefined: the check
   * is over.
   * @param client identifies the client: only a few of its checks may wait at once
   */
  check(credentials: Credentials, client: string, waiter: Waiter): (() => void) | undefined {
    const digest = this.digestOf(credentials);
    if (this.isKnown(credentials.user, digest)) {
      waiter('right');
      return undefined;
    }
    const name = digest.toString('latin1');
    const check = this.checks.get(name) ?? this.enqueue(name, credentials, digest, client);
    if (typeof check === 'string') {
      waiter(check);
      return undefined;
    }
    check.waiters.add(waiter);
    this.next();
    return () => {
      check.waiters.delete(waiter);
    };
  }

  private digestOf({ user, password }: Credentials): Buffer {
    return createHmac('sha256', this.key).update(`${user}\0${password}`).digest();
  }

  private isKnown(user: string, digest: Buffer): boolean {
    const known = this.known.get(user);
    return (
      known !== undefined &&
      timingSafeEqual(known.digest, digest) &&
      this.options.clock.monotonic() < known.until
    );
  }

  private enqueue(
    name: string,
    credentials: Credentials,
    digest: Buffer,
    client: string,
  ): Check | 'busy' | 'crowding' {
    this.dropLeft();
    let own = 0;
    for (const each of this.checks.values()) if (each.client === client) own++;
    if (own >= shareOfClient) return 'crowding';
    if (this.waiting.length >= this.options.queue) return 'busy';
    const check = { credentials, digest, client, waiters: new Set<Waiter>() };
    this.checks.set(name, check);
    this.waiting.push(check);
    return check;
  }

  /** Removes the checks whose clients have left. */
  private dropLeft(): void {
    for (let at = this.waiting.length - 1; at >= 0; at--) {
      const check = this.waiting[at];
      if (check === undefined || check.waiters.size > 0) continue;
      this.waiting.splice(at, 1);
      this.checks.delete(check.digest.toString('latin1'));
    }
  }

  private next(): void {
    if (this.running) return;
    this.dropLeft();
    const check = this.waiting.shift();
    if (check === undefined) return;
    this.running = true;
    this.verdictOn(check).then(verdict => {
      this.running = false;
      this.checks.delete(check.digest.toString('latin1'));
      for (const waiter of check.waiters) waiter(verdict);
      this.next();
    });
  }

  private async verdictOn({ credentials, digest }: Check): Promise<Verdict> {
    const { users, checker, clock, remember, failed } = this.options;
    const { user, password } = credentials;
    try {
      // An unknown name costs the same as a known one.
      const hash = users.hashOf(user);
      const matches = hash !== undefined && (await checker.matches({ password, hash }));
      if (!matches || !users.has(user)) return 'wrong';
      if (remember > 0) this.known.set(user, { digest, until: clock.monotonic() + remember });
      return 'right';
    } catch (thrown) {
      failed(thrown);
      return 'failed';
    }
  }
}
