// The plugins in the order in which requests pass them, with their times and failures.
import { useState } from 'preact/hooks';
import { useAsked } from '../data/asked.ts';
import { has, useFeatures } from '../data/features.ts';
import { countOf, plural, tookOf } from '../data/format.ts';
import { matchesAll } from '../data/matching.ts';
import { FilterBox } from '../parts/filter-box.tsx';
import { Icon } from '../parts/icon.tsx';
import { Empty } from '../parts/missing.tsx';

interface StageFigures {
  readonly stage: string;
  readonly measured: number;
  readonly mean: number;
  readonly p99: number | null;
}

interface RunningPlugin {
  readonly instance: string;
  readonly plugin: string;
  readonly id?: string;
  readonly role?: string;
  readonly definedAs?: string;
  readonly scope: 'config' | 'route' | 'pool';
  readonly route?: string;
  readonly pool?: string;
  readonly when?: boolean;
  readonly stages: readonly StageFigures[];
  readonly failures: Readonly<Record<string, number>>;
}

interface Plugins {
  readonly measured: boolean;
  readonly plugins: readonly RunningPlugin[];
}

/** The most groups shown at once. */
const shownAtOnce = 50;

export function PluginsPage() {
  const { value, isThere, problem } = useAsked<Plugins>('/plugins');
  const [filter, setFilter] = useState('');
  const all = value?.plugins ?? [];
  const found = all.filter(({ instance, role }) => matchesAll(filter, instance, role));
  const places = new Map(all.map((plugin, at) => [plugin, at]));
  const groups = [...Map.groupBy(found, placeOf)];
  return (
    <>
      <header class="page-head">
        <h1>Plugins</h1>
        <p class="muted">
          {value === undefined
            ? 'Loading…'
            : `${plural(all.length, 'plugin')}, in the order in which requests pass them`}
        </p>
      </header>
      {problem !== '' && <p class="problem">{problem}</p>}
      {isThere === false && (
        <Empty title="This Weldr does not list its plugins">
          <p>
            Its admin API has no <code>GET /plugins</code>.
          </p>
        </Empty>
      )}
      {value !== undefined && !value.measured && (
        <p class="note">
          <Icon name="plugins" />
          <span>
            Add <code>metrics()</code> to the config to measure the time of plugins, in one of 128 requests.
          </span>
        </p>
      )}
      {all.length > 10 && (
        <div class="tools">
          <FilterBox value={filter} onChange={setFilter} hint="Filter: plugin, role, route, pool" />
        </div>
      )}
      {groups.slice(0, shownAtOnce).map(([place, plugins]) => (
        <Group
          key={place}
          place={place}
          plugins={plugins}
          places={places}
          measured={value?.measured === true}
        />
      ))}
      {groups.length > shownAtOnce && (
        <p class="muted">{countOf(groups.length - shownAtOnce)} more scopes; filter to see them.</p>
      )}
      {value !== undefined && found.length === 0 && (
        <Empty title="No plugin matches">
          <p>None of {plural(all.length, 'plugin')} matches the filter.</p>
        </Empty>
      )}
      <Features />
    </>
  );
}

const placeOf = ({ scope, route, pool }: RunningPlugin): string =>
  scope === 'config' ? 'All requests' : `${scope === 'route' ? 'Route' : 'Pool'} ${route ?? pool}`;

interface GroupProps {
  readonly place: string;
  readonly plugins: readonly RunningPlugin[];
  readonly places: ReadonlyMap<RunningPlugin, number>;
  readonly measured: boolean;
}

function Group({ place, plugins, places, measured }: GroupProps) {
  const [first] = plugins;
  const before = first === undefined ? 0 : (places.get(first) ?? 0);
  return (
    <section class="card table-card" aria-label={place}>
      <h2>{place}</h2>
      <ol class="plugin-list">
        {plugins.map(plugin => (
          <PluginItem
            key={plugin.instance}
            plugin={plugin}
            place={(places.get(plugin) ?? 0) - before + 1}
            measured={measured}
          />
        ))}
      </ol>
    </section>
  );
}

interface PluginItemProps {
  readonly plugin: RunningPlugin;
  readonly place: number;
  readonly measured: boolean;
}

function PluginItem({ plugin, place, measured }: PluginItemProps) {
  const { instance, plugin: name, id, role, definedAs, when = false, stages, failures } = plugin;
  const failed = Object.entries(failures);
  const tags = [
    ...(id === undefined ? [] : [`id ${id}`]),
    ...(definedAs === undefined ? [] : [`define ${definedAs}`]),
    ...(role === undefined ? [] : [`role ${role}`]),
  ];
  return (
    <li value={place}>
      <span class="place" aria-hidden="true">
        {place}
      </span>
      <div>
        <p title={instance}>
          <strong>{name}</strong>
          {tags.map(tag => (
            <span key={tag} class="tag">
              {tag}
            </span>
          ))}
          {when && <small>{whenOf(instance)}</small>}
        </p>
        {failed.map(([stage, count]) => (
          <p key={stage} class="is-bad">
            {plural(count, 'request')} failed in {stage}
          </p>
        ))}
      </div>
      {measured && (
        <dl class="stages">
          {stages.map(({ stage, mean, p99, measured: count }) => (
            <div key={stage} title={`${plural(count, 'request')} measured`}>
              <dt>{stage}</dt>
              <dd>
                {tookOf(mean)} <small>{p99 === null ? 'p99 over 10 s' : `p99 ${tookOf(p99)}`}</small>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </li>
  );
}

/** Returns the condition in the name of an instance, such as `when(path=/login)/rate-limit`. */
const whenOf = (instance: string): string => /when\(.*\)(?=\/)/.exec(instance)?.[0] ?? 'in a when';

/** Plugins, each recognised by a path that it adds to the admin API. */
const known: readonly { readonly name: string; readonly href: string; readonly gives: string }[] = [
  { name: 'stats', href: '/stats', gives: 'requests, errors and latencies' },
  { name: 'healthCheck', href: '/health-check', gives: 'active health checks of servers' },
  { name: 'routes', href: '/routes', gives: 'rules that route requests to pools' },
  { name: 'metrics', href: '/metrics', gives: 'metrics for Prometheus' },
  { name: 'etcd', href: '/cluster', gives: 'a cluster that shares run-time changes, with a leader' },
  { name: 'acme', href: '/acme', gives: 'certificates that renew automatically' },
];

function Features() {
  const features = useFeatures();
  if (features === undefined) return null;
  const absent = known.filter(({ href }) => !has(features, href));
  return (
    <>
      {absent.length > 0 && (
        <section class="card" aria-labelledby="more-title">
          <h2 id="more-title">More plugins</h2>
          <ul class="more-plugins">
            {absent.map(({ name, gives }) => (
              <li key={name}>
                <code>{name}()</code> <span class="muted">in the config adds {gives}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <details class="card calls">
        <summary>All {features.length} calls of the admin API</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">Call</th>
              <th scope="col">Relation</th>
            </tr>
          </thead>
          <tbody>
            {features.map(({ rel, href, method }) => (
              <tr key={`${method} ${href}`}>
                <td>
                  <code>
                    {method} {href}
                  </code>
                </td>
                <td>{rel}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}
