// The files of each machine of a cluster: the settings of its etcd and, where Weldr runs, a config.
import { clientUrl, type Machine, peerUrl } from './machines.ts';

/** The machines and addresses of a cluster. */
export interface ClusterPlan {
  /** All machines, each with a member of etcd. */
  readonly machines: readonly Machine[];
  /** The machines that run Weldr. */
  readonly weldrs: readonly Machine[];
  /** The service address with its prefix length, and its interface; undefined: no address moves. */
  readonly service: { readonly address: string; readonly interface: string } | undefined;
  /** Separates this cluster from others: members with another token are refused. */
  readonly token: string;
}

/** Returns the files of a machine by name. */
export function filesOf(machine: Machine, plan: ClusterPlan): Readonly<Record<string, string>> {
  return {
    'etcd.env': etcdSettings(machine, plan),
    ...(plan.weldrs.includes(machine) && { 'weldr.config.ts': weldrConfig(machine, plan) }),
  };
}

/**
 * The environment of `etcd.service` (Debian: `/etc/default/etcd`). The data has a separate folder: the package starts etcd
 * unconfigured, as a cluster of one, and its data must not be used. The times and the pre-vote are those that
 * docs/cluster-guarantees.md assumes.
 */
function etcdSettings(machine: Machine, { machines, token }: ClusterPlan): string {
  const members = machines.map(member => `${member.name}=${peerUrl(member)}`).join(',');
  return `# etcd of machine ${machine.name}; made by "weldr cluster init". It belongs at /etc/default/etcd.
ETCD_NAME=${machine.name}
ETCD_DATA_DIR=/var/lib/etcd/weldr
ETCD_LISTEN_PEER_URLS=${peerUrl(machine)}
ETCD_INITIAL_ADVERTISE_PEER_URLS=${peerUrl(machine)}
ETCD_LISTEN_CLIENT_URLS=${clientUrl(machine)}
ETCD_ADVERTISE_CLIENT_URLS=${clientUrl(machine)}
ETCD_INITIAL_CLUSTER=${members}
ETCD_INITIAL_CLUSTER_STATE=new
ETCD_INITIAL_CLUSTER_TOKEN=${token}
# A dead leader of etcd is noticed within half a second, and a returning machine does not disturb the current one.
ETCD_HEARTBEAT_INTERVAL=50
ETCD_ELECTION_TIMEOUT=500
ETCD_PRE_VOTE=true
# Overwritten values are dropped after an hour; otherwise etcd fills its disk.
ETCD_AUTO_COMPACTION_MODE=periodic
ETCD_AUTO_COMPACTION_RETENTION=1h
`;
}

/** Returns a first config. The machine's own member of etcd comes first, so that not all Weldrs ask the same one. */
function weldrConfig(machine: Machine, { machines, service }: ClusterPlan): string {
  const others = machines.filter(member => member !== machine);
  const hosts = [machine, ...others].map(member => `'${clientUrl(member)}'`).join(', ');
  const names = ['adminApi', 'etcd', ...(service ? ['floatingIp'] : []), 'healthCheck', 'roundRobin'];
  const floating = service
    ? `\n    floatingIp({ address: '${service.address}', interface: '${service.interface}' }),`
    : '';
  // A socket at [::] accepts IPv4, too.
  const listen = service?.address.includes(':') ? '[::]:80' : '0.0.0.0:80';
  return `// Weldr on machine ${machine.name}; made by "weldr cluster init".
import { defineConfig } from ${quoted('weldr')};
import { ${names.join(', ')} } from ${quoted('weldr/plugins')};

export default defineConfig({
  listen: '${listen}',
  plugins: [
    roundRobin(),
    healthCheck(),
    etcd({ nodeName: '${machine.name}', hosts: [${hosts}] }),${floating}
    adminApi(),
  ],
});
`;
}

/** Quotes a text for a config. */
function quoted(text: string): string {
  return `'${text}'`;
}
