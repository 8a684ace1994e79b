// CurrentProblems: what is wrong right now, in sentences: servers, workers, certificates, leadership, and problems that Weldr
// and plugins report.
import { validityProblem } from '../../core/certificates/certificate-expiry.ts';
import { bounded } from '../../core/events/event.ts';
import type { Problem } from '../../core/events/problems.ts';
import type { Leadership } from '../../core/plugin/manager-hooks.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import { timeOfDay } from '../../core/time/time-of-day.ts';
import type { PoolFacts } from './pool-facts.ts';

/** How long deaths of workers are reported, ms. */
const deathsReportedFor = 10 * 60_000;
/** The most reasons and servers named for one pool. */
const maxReasons = 3;
const maxServersNamed = 20;

/** A link to more about a problem. */
interface Link {
  readonly rel: string;
  readonly href: string;
  readonly method: 'GET';
}

/** A problem as it is shown. */
export interface CurrentProblem extends Omit<Problem, 'since'> {
  /** ms since the epoch; null: unknown. */
  readonly since: number | null;
  /** The servers concerned, the first 20. */
  readonly servers?: readonly string[];
  /** `errors`: these servers are up but fail requests. */
  readonly about?: 'errors';
  readonly links: readonly Link[];
}

/** The sources of problems. */
export type ProblemSources = Pick<ManagerSide, 'status' | 'certificates' | 'events'>;

/** Returns all problems at `now` (ms since the epoch), worst first. */
export function currentProblems(
  side: ProblemSources,
  pools: readonly PoolFacts[],
  leadership: Leadership | undefined,
  now: number,
): CurrentProblem[] {
  const problems = [
    ...side.events.problems.map(problem => ({ ...problem, links: linksOf(problem) })),
    ...workersProblem(side),
    ...deathProblems(side, now),
    ...leaderProblem(leadership),
    ...pools.flatMap(pool => poolProblem(pool, pools.length === 1, now) ?? []),
    ...pools.flatMap(failingProblem),
    ...certificateProblems(side, now),
  ];
  return problems.sort(
    (a, b) =>
      Number(b.severity === 'error') - Number(a.severity === 'error') || (a.since ?? 0) - (b.since ?? 0),
  );
}

function poolProblem(pool: PoolFacts, isOnly: boolean, now: number): CurrentProblem | undefined {
  const { name, servers, available, states, down } = pool;
  const links = [link('pool', `/pools/${encodeURIComponent(name)}`)];
  const about = { pool: name, links };
  if (servers === 0) {
    // If there are other pools, an empty default pool is not a problem.
    if (name === 'default' && !isOnly) return undefined;
    return { severity: 'warning', text: `${name} has no servers`, since: null, ...about };
  }
  const severity = available === 0 ? 'error' : 'warning';
  if (down.length > 0) {
    const since = Math.min(...down.map(server => server.since ?? Number.POSITIVE_INFINITY));
    const known = Number.isFinite(since) ? since : null;
    const from = known === null ? '' : ` since ${timeOfDay(known, now)}`;
    const text = `${down.length} of ${servers} servers of ${name} down: ${reasonsOf(down)}${from}`;
    const ids = down.slice(0, maxServersNamed).map(({ id }) => id);
    return { severity, text: bounded(text, 500), since: known, servers: ids, ...about };
  }
  if (available > 0) return undefined;
  const which = [
    states.draining > 0 && `${states.draining} draining`,
    states.disabled > 0 && `${states.disabled} disabled`,
  ];
  const text = `no server of ${name} takes requests: ${which.filter(Boolean).join(', ')}`;
  return { severity, text, since: null, ...about };
}

/** Servers that pass their checks but fail requests. */
function failingProblem({ name, servers, failing }: PoolFacts): CurrentProblem[] {
  if (failing.size === 0) return [];
  const [[first = '', share = 0] = []] = [...failing].sort(([, one], [, other]) => other - one);
  const percent = `${Math.round(share * 100)} %`;
  const many = `${failing.size} of ${servers} servers of ${name} fail up to ${percent} of their requests`;
  const text = failing.size === 1 ? `${first} of ${name} fails ${percent} of its requests` : many;
  const ids = [...failing.keys()].slice(0, maxServersNamed);
  const links = [link('pool', `/pools/${encodeURIComponent(name)}`)];
  return [
    {
      severity: 'warning',
      text: bounded(text, 500),
      since: null,
      pool: name,
      servers: ids,
      about: 'errors',
      links,
    },
  ];
}

/** `connection refused`, or `connection refused (2), status 500 (1)`. */
function reasonsOf(down: PoolFacts['down']): string {
  const counts = new Map<string, number>();
  for (const { reason } of down) {
    const words = inWords(reason);
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const [first] = sorted;
  if (sorted.length === 1 && first !== undefined) return first[0];
  const named = sorted.slice(0, maxReasons).map(([words, count]) => `${words} (${count})`);
  return sorted.length > maxReasons ? `${named.join(', ')} and others` : named.join(', ');
}

const words: readonly (readonly [RegExp, string])[] = [
  [/\bECONNREFUSED\b/, 'connection refused'],
  [/\bECONNRESET\b/, 'connection reset'],
  [/\bETIMEDOUT\b/, 'no connection in time'],
  [/\bEHOSTUNREACH\b|\bENETUNREACH\b/, 'not reachable'],
  [/\bENOTFOUND\b|\bEAI_AGAIN\b/, 'its name is not found'],
];

/** Makes equal reasons of several servers read alike: the system's texts contain the address. */
function inWords(reason: string): string {
  return words.find(([form]) => form.test(reason))?.[1] ?? bounded(reason, 100);
}

function workersProblem({ status }: ProblemSources): CurrentProblem[] {
  const { readyWorkers: ready, wantedWorkers: wanted } = status;
  if (ready >= wanted || status.stopping) return [];
  const text = `${ready === 0 ? 'no worker' : `only ${ready} of ${wanted} workers`} can take requests`;
  const severity = ready === 0 ? 'error' : 'warning';
  return [{ severity, text, since: null, links: [link('events', '/events?type=worker')] }];
}

function deathProblems({ events }: ProblemSources, now: number): CurrentProblem[] {
  const deaths = new Map<number, { count: number; since: number; reason: string }>();
  const { all } = events;
  for (let at = all.length - 1; at >= 0; at--) {
    const event = all[at];
    if (event === undefined || event.at < now - deathsReportedFor) break;
    const { type, worker, reason = 'for no known reason' } = event;
    if (type !== 'worker.died' || worker === undefined) continue;
    const later = deaths.get(worker);
    deaths.set(worker, { count: (later?.count ?? 0) + 1, since: event.at, reason: later?.reason ?? reason });
  }
  return [...deaths].map(([worker, { count, since, reason }]) => {
    const times = count === 1 ? 'died' : `died ${count} times`;
    const text = bounded(
      `worker ${worker} ${times} in the last 10 minutes, and was replaced: ${reason}`,
      500,
    );
    return { severity: 'warning', text, since, worker, links: [link('events', '/events?type=worker')] };
  });
}

function leaderProblem(leadership: Leadership | undefined): CurrentProblem[] {
  if (leadership === undefined || leadership.leader !== undefined) return [];
  const links = [link('events', '/events?type=leader')];
  return [{ severity: 'error', text: 'no node leads the cluster', since: null, links }];
}

function certificateProblems({ certificates }: ProblemSources, now: number): CurrentProblem[] {
  return certificates.list().flatMap(certificate => {
    const text = validityProblem(certificate, now);
    if (text === undefined) return [];
    const { name, notAfter, notBefore } = certificate;
    const severity = notAfter <= now || notBefore > now ? 'error' : 'warning';
    const links = [link('certificate', `/certificates/${encodeURIComponent(name)}`)];
    return [{ severity, text, since: null, certificate: name, links }];
  });
}

function linksOf({ pool, certificate }: Problem): Link[] {
  if (pool !== undefined) return [link('pool', `/pools/${encodeURIComponent(pool)}`)];
  if (certificate !== undefined)
    return [link('certificate', `/certificates/${encodeURIComponent(certificate)}`)];
  return [link('events', '/events')];
}

function link(rel: string, href: string): Link {
  return { rel, href, method: 'GET' };
}
