// HealthChecker: checks the servers of all pools, each by its settings, and gives the pools its verdicts.
import type { Logger } from 'pino';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import type { HealthReport, PoolEntry } from '../../core/pool/pool-entry.ts';
import type { JoiningServer } from '../../core/pool/pools-observer.ts';
import type { HealthCheckSettings } from '../../core/pool/server-definition.ts';
import type { Clock } from '../../core/time/clock.ts';
import { CheckSchedule, type Scheduled } from './check-schedule.ts';
import { type CheckSettings, layered } from './check-settings.ts';
import { type CheckOutcome, count, unchecked } from './health-count.ts';

/** The average time between first checks when many servers are new at once, ms. */
const firstApart = 2;

/** Checks a server once; must not reject. Aborting `signal` ends it early. */
export type Check = (
  upstream: Upstream,
  settings: CheckSettings,
  signal: AbortSignal,
) => Promise<CheckOutcome>;

export interface HealthCheckerOptions {
  readonly pools: Pick<ManagerPools, 'verdict' | 'complaint' | 'reportHealth'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly check: Check;
  /** Called with each outcome. */
  counted?(upstream: Upstream, outcome: CheckOutcome): void;
  /** Checks that may run at once. */
  readonly concurrency: number;
  /** The share of the interval, 0 to 1, by which a check may come early, at random. */
  readonly jitter: number;
  /** From 0 up to 1; default `Math.random`. */
  readonly random?: () => number;
}

/** All checks of a process, with their settings. */
export class HealthChecker {
  private readonly options: HealthCheckerOptions;
  private readonly schedule: CheckSchedule;
  private readonly targets = new Map<Upstream, Target>();
  private defaults: CheckSettings;
  private unseen = 0;

  constructor(options: HealthCheckerOptions, defaults: CheckSettings) {
    this.options = options;
    this.defaults = defaults;
    this.schedule = new CheckSchedule(options.clock, options.concurrency);
  }

  /** The settings of servers without their own. */
  get settings(): CheckSettings {
    return this.defaults;
  }

  /** Changes the settings of all servers, except where they have their own. */
  setDefaults(defaults: CheckSettings): void {
    this.defaults = defaults;
    for (const target of this.targets.values()) this.configure(target, target.own);
  }

  /** Returns why a joining server must not get requests yet; undefined: it may. */
  complaintAbout({ server, poolSettings }: JoiningServer): string | undefined {
    const settings = settingsOf(this.defaults, ownSettings({ server, poolSettings }));
    return settings.enabled && settings.initial === 'check' ? unchecked.detail : undefined;
  }

  /** Begins to check a server, or applies its changed definition. */
  define(entry: PoolEntry): void {
    const known = this.targets.get(entry.upstream);
    if (known !== undefined) {
      this.configure(known, ownSettings(entry));
      return;
    }
    const own = ownSettings(entry);
    const target = new Target(entry, settingsOf(this.defaults, own), own, this);
    this.targets.set(entry.upstream, target);
    this.begin(target);
  }

  remove(upstream: Upstream): void {
    const target = this.targets.get(upstream);
    if (target === undefined) return;
    this.targets.delete(upstream);
    this.stop(target);
  }

  /** Stops all checks; verdicts stay in the pools. */
  close(): void {
    for (const target of this.targets.values()) target.abort.abort();
    this.targets.clear();
    this.schedule.close();
  }

  /** Checks a target once and resolves with the monotonic time at which it is due next. */
  async checkNow(target: Target): Promise<number> {
    const { clock, check, jitter } = this.options;
    const startedAt = clock.monotonic();
    if (!target.seen) {
      target.seen = true;
      this.unseen--;
    }
    const { settings, abort } = target;
    const outcome = await check(target.upstream, settings, abort.signal);
    if (!abort.signal.aborted) this.judge(target, outcome);
    const early = jitter * (this.options.random ?? Math.random)();
    return Math.max(clock.monotonic(), startedAt + target.settings.interval * (1 - early));
  }

  private configure(target: Target, own: OwnSettings): void {
    const before = target.settings;
    target.own = own;
    target.settings = settingsOf(this.defaults, own);
    if (JSON.stringify(before) === JSON.stringify(target.settings)) return;
    // The result of a check with the old settings says nothing about the new ones.
    this.stop(target);
    target.abort = new AbortController();
    target.scheduled = scheduledFor(target, this);
    target.seen = false;
    this.begin(target);
  }

  private begin(target: Target): void {
    const { pools, clock } = this.options;
    const { upstream, settings } = target;
    if (!settings.enabled) {
      target.seen = true;
      target.report = { ...unchecked, detail: 'checks are off' };
      pools.reportHealth(upstream.pool, upstream.id, target.report);
      pools.verdict(upstream.pool, upstream.id, undefined);
      return;
    }
    this.unseen++;
    this.schedule.at(clock.monotonic() + this.firstWait(target), target.scheduled);
  }

  /** A server that was checked before a reload keeps its schedule; a new one is checked at once, many new ones spread out. */
  private firstWait(target: Target): number {
    const { clock, random = Math.random } = this.options;
    const { interval } = target.settings;
    const sinceLast = clock.now() - target.report.checkedAt;
    if (target.resumed && sinceLast >= 0 && sinceLast < interval) {
      target.resumed = false;
      return interval - sinceLast;
    }
    return random() * Math.min(interval, (this.unseen - 1) * firstApart);
  }

  private stop(target: Target): void {
    target.abort.abort();
    this.schedule.remove(target.scheduled);
    if (!target.seen) this.unseen--;
    target.seen = true;
  }

  private judge(target: Target, outcome: CheckOutcome): void {
    const { pools, clock, log } = this.options;
    const { upstream, settings, report: before } = target;
    this.options.counted?.(upstream, outcome);
    const after = count(before, outcome, settings, clock.now());
    target.report = after;
    pools.reportHealth(upstream.pool, upstream.id, after);
    if (before.status === after.status) return;
    const about = { pool: upstream.pool, server: upstream.id, detail: after.detail };
    if (after.status === 'failing') {
      log.warn(about, `${upstream.id} is down: ${times(after.consecutiveFailures)} failed: ${after.detail}`);
      pools.verdict(upstream.pool, upstream.id, after.detail);
    } else if (before.status === 'failing') {
      log.info(
        about,
        `${upstream.id} ${before.neverPassed ? 'is active' : 'is active again'}: ${times(after.consecutivePasses)} passed`,
      );
      pools.verdict(upstream.pool, upstream.id, undefined);
    } else if (pools.complaint(upstream.pool, upstream.id) === undefined) {
      log.debug(about, `${upstream.id} passes its checks`);
    } else {
      log.info(about, `${upstream.id} is active: its first check passed`);
      pools.verdict(upstream.pool, upstream.id, undefined);
    }
  }
}

/** The check settings of a server and of its pool. */
interface OwnSettings {
  readonly server: HealthCheckSettings | undefined;
  readonly pool: HealthCheckSettings | undefined;
}

const ownSettings = ({ server, poolSettings }: Pick<PoolEntry, 'server' | 'poolSettings'>): OwnSettings => ({
  server: server.healthCheck,
  pool: poolSettings.healthCheck,
});

const settingsOf = (defaults: CheckSettings, { server, pool }: OwnSettings): CheckSettings =>
  layered(layered(defaults, pool), server);

/** A server with its checks. */
class Target {
  readonly upstream: Upstream;
  own: OwnSettings;
  settings: CheckSettings;
  report: HealthReport;
  /** It was checked before a reload and keeps its rhythm. */
  resumed: boolean;
  /** Its first check has begun, or it is not checked. */
  seen = false;
  abort = new AbortController();
  scheduled: Scheduled;

  constructor(entry: PoolEntry, settings: CheckSettings, own: OwnSettings, checker: HealthChecker) {
    this.upstream = entry.upstream;
    this.own = own;
    this.settings = settings;
    this.report = entry.health ?? unchecked;
    this.resumed = entry.health !== undefined;
    this.scheduled = scheduledFor(this, checker);
  }
}

function scheduledFor(target: Target, checker: HealthChecker): Scheduled {
  return { run: () => checker.checkNow(target) };
}

const times = (n: number): string => (n === 1 ? '1 check' : `${n} checks in a row`);
