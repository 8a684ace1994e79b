// The cluster: its leader, its nodes, the members of etcd, and when etcd last confirmed this node's state.
import { useAsked } from '../data/asked.ts';
import { agoOf, msOf } from '../data/format.ts';
import { now } from '../data/live.ts';
import { MissingPlugin } from '../parts/missing.tsx';

interface Member {
  readonly node: string;
  readonly leading: boolean;
  readonly version?: string;
  readonly startedAt?: number;
  readonly servers?: unknown;
  /** Why it cannot lead. */
  readonly unfit?: string;
  readonly maintenance?: unknown;
}

interface Cluster {
  readonly node: string;
  readonly leading: boolean;
  readonly leader: string | null;
  /** 0: no node leads. */
  readonly leaderSince?: number | null;
  readonly stale: boolean;
  readonly reason?: string;
  readonly lag: { readonly ms: number };
  readonly address?: { readonly held: boolean; readonly by?: string | null; readonly reason?: string };
  readonly members: readonly Member[];
  readonly etcdMembers: readonly {
    readonly host: string;
    readonly healthy: boolean;
    readonly leader: boolean;
    readonly version?: string;
    readonly reason?: string;
  }[];
}

export function ClusterPage() {
  const { value, isThere, problem } = useAsked<Cluster>('/cluster', 3000);
  return (
    <>
      <header class="page-head">
        <h1>Cluster</h1>
        <p class="muted">{value === undefined ? '' : `this node is ${value.node}`}</p>
      </header>
      {problem !== '' && <p class="problem">{problem}</p>}
      {isThere === false && (
        <MissingPlugin
          plugin="etcd"
          gives="a cluster: several Weldrs that share run-time changes, with one leader"
        />
      )}
      {value !== undefined && <ClusterFacts cluster={value} />}
    </>
  );
}

function ClusterFacts({ cluster }: { readonly cluster: Cluster }) {
  const { node, leader, leading, leaderSince, stale, reason, lag, address, members, etcdMembers } = cluster;
  return (
    <>
      {stale && (
        <p class="note note-warning">
          etcd cannot be reached: this page may be out of date, and nothing can be changed. {reason}
        </p>
      )}
      <div class="cards">
        <section class="card">
          <h2>Leader</h2>
          <p class="figure">{leader ?? 'none'}</p>
          <p class="muted">
            {[
              ...(leading ? ['this node'] : []),
              ...(leaderSince ? [`elected ${agoOf(leaderSince, now.value)}`] : []),
            ].join(', ')}
          </p>
        </section>
        <section class="card">
          <h2>Confirmed by etcd</h2>
          <p class="figure">{lag.ms < 0 ? 'not yet' : `${msOf(lag.ms)} ago`}</p>
        </section>
        {address !== undefined && (
          <section class="card">
            <h2>Service address</h2>
            <p class="figure">{address.by === node ? 'held here' : (address.by ?? 'not held')}</p>
            <p class="muted">{address.reason}</p>
          </section>
        )}
      </div>
      <section class="card table-card">
        <h2>Nodes</h2>
        <table>
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">State</th>
              <th scope="col">Version</th>
              <th scope="col">Started</th>
            </tr>
          </thead>
          <tbody>
            {members.map(member => (
              <tr key={member.node}>
                <th scope="row">{member.node}</th>
                <td>{standingOf(member)}</td>
                <td>{member.version ?? '–'}</td>
                <td>{member.startedAt === undefined ? '–' : agoOf(member.startedAt, now.value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <section class="card table-card">
        <h2>etcd</h2>
        <table>
          <thead>
            <tr>
              <th scope="col">Member</th>
              <th scope="col">Health</th>
              <th scope="col">Version</th>
            </tr>
          </thead>
          <tbody>
            {etcdMembers.map(({ host, healthy, leader: leads, version, reason: why }) => (
              <tr key={host}>
                <th scope="row">{host}</th>
                <td class={healthy ? '' : 'is-bad'}>
                  {healthy ? (leads ? 'healthy, leads' : 'healthy') : (why ?? 'not healthy')}
                </td>
                <td>{version ?? '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}

function standingOf({ leading, maintenance, unfit }: Member): string {
  if (leading) return 'leads';
  if (maintenance !== undefined) return 'in maintenance';
  return unfit === undefined ? 'stands by' : `cannot lead: ${unfit}`;
}
