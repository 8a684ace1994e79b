// Renewals: orders missing and due certificates, one after the other, and adds them to the registry.
import { X509Certificate } from 'node:crypto';
import type { Logger } from 'pino';
import type { ManagerCertificates } from '../../core/certificates/manager-certificates.ts';
import { describeError, WeldrError } from '../../core/errors.ts';
import type { ManagerEvents } from '../../core/events/plugin-events.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { Issued } from './authority.ts';
import { backoff } from './backoff.ts';
import type { Issuer } from './issuer.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { orderProblem } from './order-problem.ts';
import { pause } from './pause.ts';
import { AcmeProblem, remedyFor } from './problem.ts';
import type { RenewalAdvice } from './renewal-advice.ts';
import { type Standing, standingOf, type Wish } from './wanted-certificate.ts';

/** The longest timer, ms: clocks change, and machines sleep. */
const longestSleep = 3_600_000;
/** The pause before an unavailable store is tried again, ms. */
const storePause = 60_000;
/** The pause before the authority is asked for advice again, ms: if it has none, and if it did not respond. */
const adviceRetry = 6 * 3_600_000;

/** The least time between certificates of one name: a share of the life, at most this many ms. */
const leastRest = 1 / 3;
const longestRest = 24 * 3_600_000;

/** The collaborators of renewals. */
export interface RenewalsOptions {
  readonly wishes: readonly Wish[];
  readonly directory: string;
  readonly keyType: 'ecdsa' | 'rsa';
  readonly issuer: Pick<Issuer, 'issue' | 'advice'>;
  readonly ledger: Ledger;
  readonly certificates: ManagerCertificates;
  /** Names whose orders a reload cut off when the ledger could not be updated; for the instance after the reload. */
  readonly cutOff: Set<string>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Pick<ManagerEvents, 'problem'>;
  /** Aborted when the plugin ends. */
  readonly signal: AbortSignal;
  /** Returns the PEM of an active certificate. */
  certificateOf(name: string): string | undefined;
  /** Publishes these answers to challenges, and no others. */
  answer(answers: Readonly<Record<string, string>>): Promise<void>;
  /** Whether this node orders. */
  mayOrder(): boolean;
  /** From 0 to 1. */
  random(): number;
}

interface KnownAdvice extends Partial<RenewalAdvice> {
  /** The fingerprint of the certificate concerned. */
  readonly fingerprint: string;
  /** ms since the epoch. */
  readonly askAgainAt: number;
}

/** All certificates that the config wants. */
export class Renewals {
  private readonly options: RenewalsOptions;
  private readonly advice = new Map<string, KnownAdvice>();
  private readonly knownForeign = new Set<string>();
  private working: Promise<void> | undefined;
  private again = false;
  private ordered: string | undefined;
  private cancelTimer: CancelTimer | undefined;

  constructor(options: RenewalsOptions) {
    this.options = options;
    options.signal.addEventListener('abort', () => this.cancelTimer?.());
  }

  /** Checks all certificates and orders those that are due; call it when something has changed. */
  review(): void {
    if (this.options.signal.aborted) return;
    this.again = true;
    this.working ??= this.work();
  }

  /** The certificate that is being ordered. */
  get ordering(): string | undefined {
    return this.ordered;
  }

  /** Returns the state of a certificate. */
  standing(wish: Wish): Standing {
    const { ledger, certificates, directory, clock, cutOff } = this.options;
    const found = certificates.get(wish.name);
    const { notBefore, ...entry } = ledger.entry(wish.name);
    const waits = notBefore !== undefined && !cutOff.has(wish.name);
    const advice = this.advice.get(wish.name);
    return standingOf(wish, {
      found,
      entry: waits ? { ...entry, notBefore } : entry,
      directory,
      window: advice?.fingerprint === found?.fingerprint ? advice?.window : undefined,
      now: clock.now(),
    });
  }

  /** Resolves when no order is in progress; the signal aborts it. */
  async ended(): Promise<void> {
    await this.working;
  }

  private async work(): Promise<void> {
    const { clock, log, signal } = this.options;
    this.cancelTimer?.();
    let next = longestSleep;
    try {
      while (this.again) {
        this.again = false;
        next = await this.look();
      }
    } catch (thrown) {
      log.error({ err: thrown }, 'the certificates could not be checked');
    }
    this.working = undefined;
    if (!signal.aborted) this.cancelTimer = clock.after(next, () => this.review());
  }

  /** Resolves with the time until something is due, ms. */
  private async look(): Promise<number> {
    const { wishes, clock, mayOrder, signal } = this.options;
    let next = longestSleep;
    // All nodes report it, whichever orders.
    for (const wish of wishes) this.tellProblem(wish);
    for (const wish of wishes) {
      if (signal.aborted || !mayOrder()) return longestSleep;
      await this.takeAdvice(wish);
      const { is, due } = this.standing(wish);
      this.tellForeign(wish, is === 'foreign');
      if (due === undefined) continue;
      const wait = due <= clock.now() ? await this.order(wish) : due - clock.now();
      next = Math.min(next, wait);
      this.tellProblem(wish);
    }
    return next;
  }

  private tellProblem(wish: Wish): void {
    const { certificates, clock, events, ledger } = this.options;
    const { name } = wish;
    const facts = { standing: this.standing(wish), found: certificates.get(name), entry: ledger.entry(name) };
    events.problem(`order of ${name}`, orderProblem(wish, { ...facts, now: clock.now() }));
  }

  private tellForeign({ name }: Wish, isForeign: boolean): void {
    if (!isForeign) this.knownForeign.delete(name);
    else if (!this.knownForeign.has(name)) {
      this.knownForeign.add(name);
      this.options.log.warn(
        { certificate: name },
        `the certificate ${name} is not from this plugin and is left alone; remove it to have one ordered`,
      );
    }
  }

  /** Periodically asks the authority when it wants a renewal. */
  private async takeAdvice({ name }: Wish): Promise<void> {
    const { certificates, certificateOf, clock, log, ledger, directory, issuer } = this.options;
    const fingerprint = certificates.get(name)?.fingerprint;
    const cert = certificateOf(name);
    const entry = ledger.entry(name);
    if (fingerprint === undefined || cert === undefined) return;
    if (fingerprint !== entry.fingerprint || directory !== entry.directory) return;
    const last = this.advice.get(name);
    const known = last?.fingerprint === fingerprint ? last : { fingerprint, askAgainAt: 0 };
    if (known.askAgainAt > clock.now()) return;
    try {
      const advice = await issuer.advice(cert);
      const askAgainAt = clock.now() + (advice?.askAgainIn ?? adviceRetry);
      this.advice.set(name, { fingerprint, ...advice, askAgainAt });
      if (advice?.explanation !== undefined && advice.explanation !== known.explanation) {
        log.warn({ certificate: name }, `the authority has news about ${name}: ${advice.explanation}`);
      }
    } catch (thrown) {
      // Its last advice, or two thirds of the life, is good enough.
      log.debug({ certificate: name, reason: describeError(thrown) }, 'the authority gave no advice');
      this.advice.set(name, { ...known, askAgainAt: clock.now() + adviceRetry });
    }
  }

  /** Resolves with the time until the next attempt at anything, ms. */
  private async order(wish: Wish): Promise<number> {
    const { ledger, clock, cutOff, log, signal, random } = this.options;
    const { name } = wish;
    const entry = ledger.entry(name);
    const failures = cutOff.has(name) ? entry.failures : entry.failures + 1;
    // Before the order, so that a process that dies from it does not retry at once.
    const notBefore = clock.now() + backoff(failures, undefined, random());
    try {
      await ledger.change(name, { failures, notBefore });
    } catch (thrown) {
      if (!signal.aborted) {
        log.error(
          { certificate: name },
          `nothing is ordered while the store is unavailable: ${describeError(thrown)}`,
        );
      }
      return storePause;
    }
    cutOff.delete(name);
    this.ordered = name;
    try {
      await this.keep(wish, await this.issue(wish));
    } catch (thrown) {
      if (signal.aborted) await this.takeBack(name, entry);
      else await this.noteFailure(name, problemFor(thrown), failures);
    } finally {
      this.ordered = undefined;
    }
    const { due } = this.standing(wish);
    return due === undefined ? longestSleep : Math.max(0, due - clock.now());
  }

  /** An attempt that the end of this plugin cuts off is not a failure. */
  private async takeBack(name: string, { failures, notBefore }: LedgerEntry): Promise<void> {
    const { ledger, cutOff } = this.options;
    // At a reload the store may have ended already.
    await ledger.change(name, { failures, notBefore }).catch(() => cutOff.add(name));
  }

  private async issue({ name, names }: Wish): Promise<Issued> {
    const { log, keyType, answer, certificateOf, ledger, directory, issuer } = this.options;
    const before = ledger.entry(name).directory === directory ? certificateOf(name) : undefined;
    const list = names.join(', ');
    const what =
      before === undefined ? `ordering a certificate for ${list}` : `renewing the certificate for ${list}`;
    log.info({ certificate: name, directory }, what);
    return await issuer.issue({ names, keyType, before, answer });
  }

  /** An issued certificate counts against the authority's limits: storing it is retried until it succeeds. */
  private async keep({ name, names }: Wish, { cert, key }: Issued): Promise<void> {
    const { ledger, directory, clock, log, signal } = this.options;
    const made = new X509Certificate(cert);
    const { fingerprint256: fingerprint, validFromDate, validToDate } = made;
    const covered = (made.subjectAltName ?? '').toLowerCase().split(', ');
    const domain = names.find(one => !covered.includes(`dns:${one}`));
    if (domain !== undefined) {
      throw new AcmeProblem({
        type: 'unexpected',
        detail: 'the issued certificate does not cover it',
        domain,
      });
    }
    const life = validToDate.getTime() - validFromDate.getTime();
    // Even if it is already due because clocks differ.
    const notBefore = clock.now() + Math.min(longestRest, life * leastRest);
    const change = { failures: 0, notBefore, lastFailure: undefined, directory, fingerprint };
    for (;;) {
      try {
        await ledger.change(name, change, { cert, key });
        return;
      } catch (thrown) {
        const isAway = thrown instanceof WeldrError && thrown.code === 'STORE_UNAVAILABLE';
        if (signal.aborted || !isAway) throw thrown;
        log.error(
          { certificate: name },
          `the certificate ${name} is issued but cannot be stored yet: ${describeError(thrown)}`,
        );
        await pause(storePause, clock, signal);
      }
    }
  }

  private async noteFailure(name: string, problem: AcmeProblem, failures: number): Promise<void> {
    const { ledger, log, clock, directory, random } = this.options;
    const { type, domain, message: detail } = problem;
    const notBefore = clock.now() + backoff(failures, problem, random());
    const remedy = remedyFor(problem, directory);
    const next = new Date(notBefore).toISOString();
    const why = remedy === undefined ? '' : `; ${remedy}`;
    log.error(
      { certificate: name, domain, type, failures, next },
      `no certificate for ${domain ?? name}: ${detail} (${type})${why}; next attempt at ${next}`,
    );
    const about = { ...(domain !== undefined && { domain }), ...(remedy !== undefined && { remedy }) };
    const lastFailure = { type, detail, ...about, at: clock.now() };
    await ledger.change(name, { failures, notBefore, lastFailure }).catch((thrown: unknown) => {
      // The attempt itself is already stored.
      log.warn({ certificate: name }, `the failure cannot be stored: ${describeError(thrown)}`);
    });
  }
}

function problemFor(thrown: unknown): AcmeProblem {
  if (thrown instanceof AcmeProblem) return thrown;
  return new AcmeProblem({ type: 'unexpected', detail: describeError(thrown) });
}
