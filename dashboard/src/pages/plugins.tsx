// What this Weldr is made of, as far as its plugins show themselves to operators.
import { has, useFeatures } from '../data/features.ts';
import { Icon } from '../parts/icon.tsx';

/** By the call that each adds. */
const known: readonly { readonly name: string; readonly href: string; readonly gives: string }[] = [
  { name: 'adminApi', href: '/servers', gives: 'servers, pools and certificates that change at run time' },
  { name: 'dashboard', href: '/ui/', gives: 'this page' },
  { name: 'stats', href: '/stats', gives: 'requests, errors and latencies' },
  { name: 'healthCheck', href: '/health-check', gives: 'active checks of the health of servers' },
  { name: 'routes', href: '/routes', gives: 'rules which lead requests to pools' },
  { name: 'metrics', href: '/metrics', gives: 'numbers for Prometheus' },
  { name: 'etcd', href: '/cluster', gives: 'a cluster that shares what is changed, and a leader' },
  { name: 'acme', href: '/acme', gives: 'certificates that renew themselves' },
];

export function PluginsPage() {
  const features = useFeatures();
  return (
    <>
      <header class="page-head">
        <h1>Plugins</h1>
        <p class="muted">those that show themselves to operators</p>
      </header>
      <ul class="card plugin-list">
        {features !== undefined &&
          known.map(({ name, href, gives }) => {
            const isThere = has(features, href);
            return (
              <li key={name} class={isThere ? '' : 'is-absent'}>
                <Icon name={isThere ? 'check' : 'plus'} />
                <div>
                  <h2>{name}</h2>
                  <p>{gives}</p>
                </div>
                <span class="muted">{isThere ? 'in use' : `add ${name}() to the config`}</span>
              </li>
            );
          })}
      </ul>
      {features !== undefined && (
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
      )}
    </>
  );
}
