// EventRecorder: records what happens in the manager: servers, operators' changes, workers, leadership.
import type { CertificateChange } from '../certificates/certificate-registry.ts';
import type { NewEvent, Subject } from '../events/event.ts';
import type { EventLog } from '../events/event-log.ts';
import type { NewProblem, Problems } from '../events/problems.ts';
import type { Leadership, ManagerHooks } from '../plugin/manager-hooks.ts';
import type { ManagedPools } from '../pool/managed-pools.ts';
import type { Upstream, UpstreamRecord } from '../pool/pool.ts';
import { keyOf } from '../pool/pool-entry.ts';
import type { EffectiveChange } from '../state/effective-change.ts';
import type { Clock } from '../time/clock.ts';

/** How often it checks, ms; and after how many checks a store counts as away. */
const lookEvery = 1_000;
const awayAfterLooks = 3;

/** The source of the problems that Weldr itself reports. */
export const coreSource = 'weldr';

/** What a recorder works with. */
export interface EventRecorderOptions {
  readonly events: EventLog;
  readonly problems: Problems;
  readonly clock: Clock;
}

/** What must be polled, because nothing reports its changes. */
export interface Watched {
  storeIsAway(): boolean;
  /** Returns what leads to pools that do not exist; undefined: nothing does. */
  dangling(): string | undefined;
}

/** Turns what happens in a manager into events. */
export class EventRecorder {
  private readonly options: EventRecorderOptions;
  /** Servers that were removed and still have requests. */
  private readonly leaving = new Set<string>();
  /** Changes of state, until their cause is reported. */
  private readonly untold = new Map<string, NewEvent>();
  private leadership: Leadership | undefined;
  private looksAway = 0;
  /** Set when pools, or what leads to them, may have come or gone. */
  private danglingIsUnknown = true;

  constructor(options: EventRecorderOptions) {
    this.options = options;
  }

  add(event: NewEvent): void {
    this.options.events.add(event);
  }

  /** Reports a problem, or with undefined its end. */
  problem(name: string, problem: NewProblem | undefined): void {
    const event = this.options.problems.set(coreSource, name, problem);
    if (event !== undefined) this.add(event);
  }

  /** Follows the states of servers. */
  follow(pools: ManagedPools): void {
    pools.observe({
      upstreamChanged: (upstream, before) => {
        if (before !== undefined && before.state !== upstream.state)
          this.stateChanged(pools, upstream, before);
      },
      removed: ({ pool, id }) => {
        this.danglingIsUnknown = true;
        if (!this.leaving.delete(keyOf(pool, id))) return;
        this.add({ type: 'server.left', text: `server ${id} has left pool ${pool}`, pool, server: id });
      },
    });
  }

  /** Records a change of an active entity. */
  changed(pools: ManagedPools, { what, happened, field, from, to, by, text }: EffectiveChange): void {
    const subject = subjectOf(what);
    if (subject === undefined) return;
    const { kind, about } = subject;
    const { pool, server } = about;
    if (pool !== undefined && server !== undefined) {
      // Its new state is a separate event, which is recorded before its cause is known.
      if (field === 'state') {
        this.tellState(keyOf(pool, server), by);
        return;
      }
      const isLeaving = pools.get(pool, server)?.leaving === true;
      if (isLeaving) this.leaving.add(keyOf(pool, server));
      else this.leaving.delete(keyOf(pool, server));
    }
    this.danglingIsUnknown = true;
    const values = { from: plain(from), to: plain(to) };
    // Fields of requests, checks and the like may hold credentials.
    const isPlain = field === undefined || (isShown(from) && isShown(to));
    const shown = isPlain ? text : `${what}: ${field} changed, by ${by}`;
    this.add({ type: `${kind}.${happened}`, text: shown, by, field, ...(isPlain ? values : {}), ...about });
  }

  /** Records that a backup of a pool gets requests now, or no longer does. */
  backup({ pool, id, available }: Upstream, text: string): void {
    const severity = available ? 'warning' : 'info';
    this.add({ type: 'server.backup', severity, text, pool, server: id });
  }

  /** Records a change of the certificate that clients are shown under a name. */
  certificate({ name, happened, text, by }: CertificateChange): void {
    this.add({ type: `certificate.${happened}`, text, by, certificate: name });
  }

  /** Follows the leadership. */
  followLeadership({ leaderChanged }: Pick<ManagerHooks, 'leaderChanged'>): void {
    leaderChanged.tap('events', now => this.leaderChanged(now));
  }

  private leaderChanged(now: Leadership): void {
    const before = this.leadership;
    this.leadership = now;
    const { leading, leader: node } = now;
    if (leading === before?.leading && node === before.leader) return;
    if (leading) this.add({ type: 'leader.won', text: 'this node leads the cluster', node });
    else if (before?.leading === true) {
      const successor = node === undefined ? '' : `: ${node} does`;
      const text = `this node no longer leads the cluster${successor}`;
      this.add({ type: 'leader.lost', severity: 'warning', text, node });
    } else if (node === undefined) {
      this.add({ type: 'leader.changed', severity: 'warning', text: 'no node leads the cluster' });
    } else this.add({ type: 'leader.changed', text: `${node} leads the cluster`, node });
  }

  /** Polls `watched` until the returned function is called. */
  watch({ storeIsAway, dangling }: Watched): () => void {
    return this.options.clock.every(lookEvery, () => {
      this.lookAtStore(storeIsAway());
      if (!this.danglingIsUnknown) return;
      this.danglingIsUnknown = false;
      const text = dangling();
      this.problem('dangling', text === undefined ? undefined : { text });
    });
  }

  /** Reports which plugins of a scope, such as `the pool api`, do not run; an empty list: all of them run. */
  scopeProblems(scope: string, problems: readonly string[]): void {
    const text = `${scope} lacks plugins that it lists, and responds with 503 without them: ${problems.join('; ')}`;
    this.problem(`plugins of ${scope}`, problems.length === 0 ? undefined : { severity: 'error', text });
  }

  reloaded(by: string): void {
    this.danglingIsUnknown = true;
    this.add({ type: 'reload.done', text: 'the config was reloaded and is active', by });
    this.problem('reload', undefined);
  }

  /** `reason`: what is wrong with the config. */
  reloadFailed(reason: string, by: string): void {
    const text = `the reload failed, and changed nothing: ${reason}`;
    this.add({ type: 'reload.failed', severity: 'error', text, by, reason });
    const { problems } = this.options;
    // The event was added above.
    problems.set(coreSource, 'reload', undefined);
    problems.set(coreSource, 'reload', {
      text: `the last reload failed, so the previous config stays active: ${reason}`,
    });
  }

  private lookAtStore(isAway: boolean): void {
    const wasAway = this.looksAway >= awayAfterLooks;
    this.looksAway = isAway ? this.looksAway + 1 : 0;
    const { problems } = this.options;
    if (isAway && this.looksAway === awayAfterLooks) {
      const text = 'the store is away: what is shown may be out of date, and nothing can be changed';
      this.add({ type: 'store.away', severity: 'error', text });
      problems.set(coreSource, 'store', { severity: 'error', text });
    } else if (!isAway && wasAway) {
      this.add({ type: 'store.back', text: 'the store is back: changes can be made again' });
      problems.set(coreSource, 'store', undefined);
    }
  }

  private stateChanged(pools: ManagedPools, upstream: Upstream, before: UpstreamRecord): void {
    const { pool, id: server, state } = upstream;
    const entry = pools.get(pool, server);
    // Its removal, and who did it, is a separate event.
    if (entry === undefined || entry.leaving) return;
    const [judge] = state === 'down' ? entry.complaints.keys() : [judgeIn(before)];
    const reason = withoutJudge(upstream.record.reason, judge);
    const lastOne = state === 'down' && pools.pool(pool)?.available.length === 0;
    const none = lastOne ? '; the pool has no other available server' : '';
    const event: NewEvent = {
      type: 'server.state',
      severity: lastOne ? 'error' : state === 'down' ? 'warning' : 'info',
      text: `server ${server} in pool ${pool} is ${state}: ${reason}${none}`,
      by: judge,
      pool,
      server,
      from: before.state,
      to: state,
      reason,
    };
    if (judge !== undefined) {
      this.add(event);
      return;
    }
    const key = keyOf(pool, server);
    this.tellState(key, entry.stateAuthor);
    this.untold.set(key, event);
    queueMicrotask(() => this.tellState(key, entry.stateAuthor));
  }

  /** Records a change of state whose cause was not known. */
  private tellState(key: string, by: string): void {
    const event = this.untold.get(key);
    if (event === undefined) return;
    this.untold.delete(key);
    const { pool, server, to } = event;
    // The record of the server knows only who caused it.
    const isWish = event.reason?.startsWith(`${to} by `) === true;
    const told = { text: `server ${server} in pool ${pool} is ${to}, by ${by}`, reason: `${to} by ${by}` };
    this.add({ ...event, ...(isWish ? told : {}), by });
  }
}

/** The reason why a server is down begins with the judge that reports it. */
function judgeIn({ state, reason }: UpstreamRecord): string | undefined {
  return state === 'down' ? /^(.+?): /.exec(reason)?.[1] : undefined;
}

function withoutJudge(reason: string, judge: string | undefined): string {
  return judge !== undefined && reason.startsWith(`${judge}: `) ? reason.slice(judge.length + 2) : reason;
}

/** Returns what a change is about: its text begins with the kind, followed by the key. */
function subjectOf(what: string): { readonly kind: string; readonly about: Subject } | undefined {
  const [, kind, key] = /^([a-z][a-z-]*) (.+)$/s.exec(what) ?? [];
  if (kind === undefined || key === undefined) return undefined;
  if (kind !== 'server') return { kind, about: { [kind]: key } };
  const [, server, pool] = /^(\S+) in pool (.+)$/s.exec(key) ?? [];
  return { kind, about: { server, pool } };
}

/** Returns whether a value is absent or plain. */
function isShown(value: unknown): boolean {
  return value === undefined || value === null || plain(value) !== undefined;
}

function plain(value: unknown): string | number | boolean | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : undefined;
}
