// TokenChecks: checks each token once for all requests that carry it, and remembers valid ones.
import { hash } from 'node:crypto';
import { Generations } from '../../core/bounded/generations.ts';
import { describeError } from '../../core/errors.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { KeySource } from './key-source.ts';
import { type Claims, claimOf } from './token-claims.ts';
import {
  type CheckingKeys,
  KeyUnknown,
  TokenRefused,
  Verification,
  type VerificationOptions,
} from './verification.ts';

/** The verdict on a token: its claims, why it is refused, or why it cannot be checked. */
export type Verdict =
  | { readonly claims: Claims }
  | { readonly refused: string }
  | { readonly failed: string };

type Waiter = (verdict: Verdict) => void;

interface Known {
  readonly verdict: Verdict;
  /** Wall time, ms. */
  readonly until: number;
}

/** The collaborators of token checks. */
export interface TokenChecksOptions {
  readonly keys: KeySource;
  readonly verification: VerificationOptions;
  readonly clock: Clock;
  /** The most tokens remembered. */
  readonly remember: number;
}

const noKeys: Verdict = { failed: 'there are no keys' };
const noneForeseen: Verdict = {
  failed: 'there are no keys yet, and none are fetched for an explained request',
};
/** The most tokens that are checked at once. */
const mostAtOnce = 1_000;
const tooMany: Verdict = { failed: 'too many tokens at once' };

/** The tokens of one worker. */
export class TokenChecks {
  private readonly options: TokenChecksOptions;
  private readonly known: Generations<Known>;
  private readonly checks = new Map<string, Set<Waiter>>();
  /** With the keys that it was built from. */
  private verification: { readonly by: Verification; readonly keys: CheckingKeys } | undefined;

  constructor(options: TokenChecksOptions) {
    this.options = options;
    this.known = new Generations(options.remember);
  }

  /** Calls `waiter` with the verdict, at once if it is known. Returns a function that stops waiting; undefined: it is over. */
  check(token: string, waiter: Waiter): (() => void) | undefined {
    const { keys, clock, remember } = this.options;
    // Tokens valid under other keys may be refused under these.
    if (this.verification !== undefined && this.verification.keys !== keys.keys) this.forget();
    const digest = hash('sha256', token, 'base64');
    const known = remember > 0 ? this.known.get(digest) : undefined;
    if (known !== undefined && clock.now() < known.until) {
      waiter(known.verdict);
      return undefined;
    }
    let waiters = this.checks.get(digest);
    if (waiters === undefined) {
      if (this.checks.size >= mostAtOnce) {
        waiter(tooMany);
        return undefined;
      }
      waiters = new Set();
      this.checks.set(digest, waiters);
      void this.decide(token, digest, waiters);
    }
    waiters.add(waiter);
    return () => void waiters?.delete(waiter);
  }

  /** Returns the verdict that {@link check} would give with the current keys; nothing is fetched, remembered or looked up. */
  async foresee(token: string): Promise<Verdict> {
    const { keys, clock, verification } = this.options;
    if (keys.keys === undefined) return noneForeseen;
    try {
      return { claims: await new Verification(keys.keys, verification).check(token, clock.now()) };
    } catch (thrown) {
      if (!(thrown instanceof TokenRefused)) return { failed: describeError(thrown) };
      const { message } = thrown;
      const isUnknown = thrown instanceof KeyUnknown && keys.canRenew;
      return {
        refused: isUnknown ? `${message}; no newer ones are fetched for an explained request` : message,
      };
    }
  }

  private forget(): void {
    this.known.clear();
    this.verification = undefined;
  }

  private async decide(token: string, digest: string, waiters: ReadonlySet<Waiter>): Promise<void> {
    const verdict = await this.verdictOn(token, digest).catch(
      (thrown): Verdict => ({ failed: describeError(thrown) }),
    );
    this.checks.delete(digest);
    for (const waiter of waiters) waiter(verdict);
  }

  private async verdictOn(token: string, digest: string): Promise<Verdict> {
    const { keys } = this.options;
    if (keys.keys === undefined) await keys.renewed();
    try {
      return await this.verdictBy(token, digest);
    } catch (thrown) {
      if (!(thrown instanceof TokenRefused)) throw thrown;
      const before = keys.keys;
      if (thrown instanceof KeyUnknown) await keys.renewed();
      if (keys.keys === before) return { refused: thrown.message };
    }
    try {
      return await this.verdictBy(token, digest);
    } catch (thrown) {
      if (!(thrown instanceof TokenRefused)) throw thrown;
      return { refused: thrown.message };
    }
  }

  private async verdictBy(token: string, digest: string): Promise<Verdict> {
    const { keys, clock, remember, verification: options } = this.options;
    if (keys.keys === undefined) return noKeys;
    if (this.verification?.keys !== keys.keys) {
      this.forget();
      this.verification = { by: new Verification(keys.keys, options), keys: keys.keys };
    }
    const used = this.verification;
    const claims = await used.by.check(token, clock.now());
    const verdict = { claims };
    // Keys may have changed in the meantime.
    if (remember > 0 && used === this.verification) this.remember(digest, verdict, claims);
    return verdict;
  }

  private remember(digest: string, verdict: Verdict, claims: Claims): void {
    const { clockTolerance, maxAge } = this.options.verification;
    const ends = [timeOf(claims, 'exp')];
    if (maxAge !== undefined) ends.push(timeOf(claims, 'iat') + maxAge);
    const until = Math.min(...ends) + clockTolerance;
    if (this.known.get(digest) === undefined) this.known.set(digest, { verdict, until });
  }
}

/** A time in a token, ms since the epoch. */
const timeOf = (claims: Claims, name: string): number => Number(claimOf(claims, name)) * 1_000;
