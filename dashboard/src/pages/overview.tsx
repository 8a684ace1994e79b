// The overview: traffic, and current problems.
import { agoOf, msOf, plural, rateOf, shareOf } from '../data/format.ts';
import { counts, history, now, overview } from '../data/live.ts';
import type { PoolOverview, Problem } from '../data/overview.ts';
import { linkTo } from '../data/place.ts';
import { Chart } from '../parts/chart.tsx';
import { Icon } from '../parts/icon.tsx';
import { MissingPlugin } from '../parts/missing.tsx';

export function OverviewPage() {
  const told = overview.value;
  return (
    <>
      <header class="page-head">
        <h1>Overview</h1>
        <Uptime />
      </header>
      {told === undefined ? <p class="muted">Loading…</p> : <Problems problems={told.problems} />}
      {counts.value ? <Traffic /> : <MissingPlugin plugin="stats" gives="requests, errors and latencies" />}
      {told !== undefined && <PoolCards pools={told.pools} />}
    </>
  );
}

function Uptime() {
  const { startedAt, workers, cluster } = overview.value ?? {};
  const parts = [
    ...(workers === undefined ? [] : [`${workers.ready} of ${plural(workers.wanted, 'worker')} ready`]),
    ...(startedAt === undefined ? [] : [`started ${agoOf(startedAt, now.value)}`]),
    ...(cluster ? [cluster.leading ? 'leads the cluster' : `leader: ${cluster.leader ?? 'none'}`] : []),
  ];
  return <p class="muted">{parts.join(' · ')}</p>;
}

/** Returns the parameters of a link to the affected servers. */
const whereOf = (pool: string, { about, text }: Problem): Record<string, string> =>
  about === 'errors' ? { pool, sort: 'errors' } : / down\b/.test(text) ? { pool, only: 'down' } : { pool };

const mostProblems = 20;

function Problems({ problems }: { readonly problems: readonly Problem[] }) {
  if (problems.length === 0) {
    return (
      <section class="verdict verdict-ok" aria-label="Current problems">
        {' '}
        <Icon name="check" />
        <div>
          <h2>All is well</h2>
          <p>There are no problems right now.</p>
        </div>
      </section>
    );
  }
  const isError = problems.some(({ severity }) => severity === 'error');
  return (
    <section class={`verdict verdict-${isError ? 'error' : 'warning'}`} aria-label="Current problems">
      {' '}
      <Icon name="warning" />
      <div>
        <h2>{problems.length === 1 ? 'One problem' : `${problems.length} problems`}</h2>
        <ul>
          {problems.slice(0, mostProblems).map(problem => (
            <li key={problem.text}>
              {problem.pool === undefined ? (
                problem.text
              ) : (
                <a href={linkTo('servers', whereOf(problem.pool, problem))}>{problem.text}</a>
              )}
              {typeof problem.since === 'number' && !problem.text.includes('since') && (
                <small> {agoOf(problem.since, now.value)}</small>
              )}
            </li>
          ))}
          {problems.length > mostProblems && (
            <li>{plural(problems.length - mostProblems, 'more problem')}</li>
          )}
        </ul>
      </div>
    </section>
  );
}

function Traffic() {
  const { at, rate, errorShare, p50, p95, p99 } = history.value;
  const traffic = overview.value?.traffic;
  const latencies = `median ${msOf(traffic?.p50)}, 95 % below ${msOf(traffic?.p95)}, 99 % below ${msOf(traffic?.p99)}`;
  return (
    <div class="charts">
      <section class="card">
        <h2>Requests</h2>
        <p class="figure">
          {rateOf(traffic?.rate)} <small>per second</small>
        </p>
        <Chart
          label={`Requests over the last 15 minutes; now ${rateOf(traffic?.rate)} per second`}
          at={at}
          lines={[{ name: '', colour: '--chart-1', filled: true, values: rate }]}
          show={value => (value === null ? '–' : rateOf(value))}
          least={1}
        />
      </section>
      <section class="card">
        <h2>Errors</h2>
        <p class={`figure ${(traffic?.errorShare ?? 0) > 0.01 ? 'is-bad' : ''}`}>
          {shareOf(traffic?.errorShare)} <small>of requests</small>
        </p>
        <Chart
          label={`Share of failed requests over the last 15 minutes; now ${shareOf(traffic?.errorShare)}`}
          at={at}
          lines={[{ name: '', colour: '--chart-bad', filled: true, values: errorShare }]}
          show={value => (value === null ? '–' : shareOf(value))}
          least={0.01}
        />
      </section>
      <section class="card">
        <h2>
          Latency
          <span class="keys">
            <Key colour="1" name="p50" />
            <Key colour="2" name="p95" />
            <Key colour="3" name="p99" />
          </span>
        </h2>
        <p class="figure">
          {msOf(traffic?.p50)} <small>p50</small>
          <span class="tails">
            {msOf(traffic?.p95)} <small>p95</small> {msOf(traffic?.p99)} <small>p99</small>
          </span>
        </p>
        <Chart
          label={`Latency over the last 15 minutes; now ${latencies}`}
          at={at}
          lines={[
            { name: 'p50', colour: '--chart-1', values: p50 },
            { name: 'p95', colour: '--chart-2', values: p95 },
            { name: 'p99', colour: '--chart-3', values: p99 },
          ]}
          show={msOf}
          least={1}
        />
      </section>
    </div>
  );
}

function Key({ colour, name }: { readonly colour: string; readonly name: string }) {
  return (
    <span class={`key key-${colour}`}>
      <i aria-hidden="true" />
      {name}
    </span>
  );
}

const mostCards = 60;

function PoolCards({ pools }: { readonly pools: readonly PoolOverview[] }) {
  // Pools with problems first.
  const sorted = [...pools].sort((one, other) => other.states.down - one.states.down);
  return (
    <section aria-labelledby="pools-title">
      <h2 id="pools-title" class="section-title">
        Pools
      </h2>
      <div class="pool-cards">
        {sorted.slice(0, mostCards).map(pool => (
          <PoolCard key={pool.name} pool={pool} />
        ))}
      </div>
      {sorted.length > mostCards && (
        <p class="muted">{plural(sorted.length - mostCards, 'more pool')}; see Servers.</p>
      )}
    </section>
  );
}

function PoolCard({ pool: { name, servers, available, states, traffic } }: { readonly pool: PoolOverview }) {
  return (
    <a class="card pool-card" href={linkTo('servers', { pool: name })}>
      <h3>{name}</h3>
      <p class={servers > 0 && available === 0 ? 'is-bad' : ''}>
        {servers === 0 ? 'no servers yet' : `${available} of ${plural(servers, 'server')} available`}
      </p>
      <PoolBar states={states} servers={servers} />
      <dl>
        <div>
          <dt>Requests</dt>
          <dd>{rateOf(traffic?.rate)}/s</dd>
        </div>
        <div>
          <dt>Errors</dt>
          <dd>{shareOf(traffic?.errorShare)}</dd>
        </div>
        <div>
          <dt>p99</dt>
          <dd>{msOf(traffic?.p99)}</dd>
        </div>
      </dl>
    </a>
  );
}

function PoolBar({ states, servers }: Pick<PoolOverview, 'states' | 'servers'>) {
  return (
    <span class="pool-bar" aria-hidden="true">
      {(['active', 'draining', 'disabled', 'down'] as const)
        .filter(state => states[state] > 0)
        .map(state => (
          <i key={state} class={`bar-${state}`} style={{ width: `${(states[state] / servers) * 100}%` }} />
        ))}
    </span>
  );
}
