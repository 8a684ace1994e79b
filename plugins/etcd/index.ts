// etcd: keeps one pool for many Weldrs in etcd, and elects one of them as the leader.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { z } from 'zod';
import { describeError, WeldrError } from '../../core/errors.ts';
import { duration } from '../../core/options/duration.ts';
import { secret } from '../../core/options/secret.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { LeadershipNeed, ServiceAddress } from '../../core/plugin/manager-hooks.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import { FixedStore } from '../../core/state/fixed-store.ts';
import { readKeyFile } from '../../core/state/key-file.ts';
import { SealedStore } from '../../core/state/sealed-store.ts';
import { AwayProblem } from './away-problem.ts';
import type { EtcdTls } from './client.ts';
import { ClusterNode, type ClusterNodeOptions, type ClusterSurroundings } from './cluster-node.ts';
import { Failsafe } from './failsafe.ts';
import { addLeadershipRoutes } from './leadership-routes.ts';
import { addClusterRoutes } from './routes.ts';
import { readStoredRows } from './stored-rows.ts';
import { electionTimes, renewalsInLease } from './times.ts';
import { checkTimes } from './times-check.ts';

const file = z.string().min(1).max(4096);

const failsafeSchema = z
  .strictObject({
    listen: z
      .string()
      .regex(/^(\[[0-9A-Fa-f:.]+\]|[\w.-]+):\d{1,5}$/, 'expected HOST:PORT such as "10.0.0.1:8690"')
      .refine(listen => !/^(0\.0\.0\.0|\[::\]):/.test(listen), {
        message: 'expected the address by which the other nodes reach this one, not all addresses',
      })
      .describe('The address HOST:PORT at which this node listens, as the other nodes reach it.'),
    secret: secret()
      .pipe(
        z.string().min(16, 'expected 16 characters or more; `openssl rand -base64 32` makes some').max(1000),
      )
      .describe('A secret, the same on all nodes, `env:NAME` or `file:PATH`.'),
  })
  .describe(
    'Keeps the leadership without a majority of etcd while all other candidates promise not to stand; default: off.',
  );

const schema = z
  .strictObject({
    hosts: z
      .array(
        z.string().regex(/^[Hh][Tt][Tt][Pp][Ss]?:\/\/(\[[0-9A-Fa-f:.]+\]|[^/:@\s]+):\d{1,5}$/, {
          error: issue =>
            `expected http://HOST:PORT or https://HOST:PORT, got ${JSON.stringify(issue.input)}`,
        }),
      )
      .min(1)
      .max(15)
      .default(['http://127.0.0.1:2379'])
      .describe('The members of etcd.'),
    prefix: z
      .string()
      .max(200)
      .regex(/^\/([\w.-]+\/)+$/, 'expected a path such as "/weldr/"')
      .default('/weldr/')
      .describe(
        'The keys of this cluster begin with it; clusters with different prefixes do not see each other.',
      ),
    user: z.string().min(1).max(200).optional().describe("The user, if etcd's authentication is on."),
    password: secret()
      .pipe(z.string().max(1000))
      .optional()
      .describe("The user's password, `env:NAME` or `file:PATH`."),
    tls: z
      .strictObject({
        ca: file.describe("The authorities of etcd's certificates."),
        cert: file.optional().describe("Weldr's certificate."),
        key: file.optional().describe('The key of that certificate.'),
        servername: z
          .string()
          .regex(/^[\w.-]{1,253}$/, 'expected a name')
          .refine(name => isIP(name) === 0, 'expected a name, not an address')
          .optional()
          .describe("The name in etcd's certificates, if it is not the host's."),
      })
      .optional()
      .describe('PEM files for https:// hosts.'),
    nodeName: z
      .string()
      .regex(/^[\w.-]{1,100}$/, 'expected letters, digits, dots and dashes')
      .optional()
      .transform(name => name ?? hostname())
      .describe('Unique among the nodes; default: the name of the machine.'),
    candidate: z.boolean().default(true).describe('Whether this node may become the leader.'),
    priority: z
      .int()
      .min(0)
      .max(255)
      .default(100)
      .describe('Of the nodes that may lead, the one with the highest takes a free leadership first.'),
    localCopy: file
      .default('weldr-cluster.json')
      .describe('The file that keeps the pool for a start while etcd is away.'),
    keyFile: file
      .optional()
      .describe('TLS keys in etcd are encrypted with the key in this file, the same on all nodes.'),
    lease: duration()
      .refine(ms => ms >= 1000 && ms <= 600_000, 'expected a lease between 1s and 10m')
      .optional()
      .describe(
        'How long a silent leader stays the leader; default: as short as the needs of plugins allow.',
      ),
    renew: duration()
      .refine(ms => ms >= 50, 'expected 50ms or more')
      .optional()
      .describe('The interval between renewals; default: an eighth of the lease, at least 150ms.'),
    holdOff: duration()
      .optional()
      .describe(
        'How long a new leader waits before it acts, if the previous one did not resign; default: 100ms to 300ms, as the lease needs.',
      ),
    timeout: duration()
      .refine(ms => ms >= 100 && ms <= 600_000, 'expected a timeout between 100ms and 10m')
      .prefault('3s')
      .describe('How long a change of the pool may take before the answer is 503.'),
    failsafe: failsafeSchema.optional(),
  })
  .refine(o => new Set(o.hosts.map(host => host.split(':')[0])).size === 1, {
    path: ['hosts'],
    message: 'expected only http:// or only https://',
  })
  .refine(o => o.tls === undefined || o.hosts[0]?.startsWith('https:'), {
    path: ['tls'],
    message: 'tls is for https:// hosts',
  })
  .refine(o => o.tls?.servername !== undefined || !o.hosts.some(isSecureAddress), {
    path: ['tls', 'servername'],
    // gRPC would send the address as the name (SNI), which TLS forbids (RFC 6066 section 3) and Node refuses.
    message: "https:// hosts that are addresses need the name in etcd's certificates",
  })
  .refine(o => (o.tls?.cert === undefined) === (o.tls?.key === undefined), {
    path: ['tls'],
    message: 'expected both cert and key, or neither',
  })
  .refine(o => o.password === undefined || o.user !== undefined, {
    path: ['password'],
    message: 'a password needs a user',
  })
  .refine(o => o.lease === undefined || (o.renew ?? 0) <= o.lease / renewalsInLease, {
    path: ['renew'],
    message: 'expected a quarter of the lease or less',
  })
  .describe('Keeps one pool for many Weldrs in etcd, and elects one of them as the leader.');

function isSecureAddress(host: string): boolean {
  return host.startsWith('https:') && isIP(new URL(host).hostname.replace(/^\[|\]$/g, '')) !== 0;
}

/** Options of {@link etcd}; each has a default. */
export type EtcdOptions = z.input<typeof schema>;

// After a reload the next plugin takes over much sooner; a config without this plugin leaves the cluster. ms.
const parkedFor = 5000;

/** What the plugin keeps over a reload. */
interface Memory {
  parked: Parked | undefined;
}

type Side = ManagerSide<never, never, Memory>;

/** A node that keeps running between two configs. */
interface Parked {
  readonly node: ClusterNode;
  take(): ClusterNode;
}

/**
 * Keeps the pool in etcd, shared by all Weldrs with the same prefix, and elects one of them: the hook `leaderChanged` reports it.
 * A start waits for etcd for 3 s at most, then continues with the local copy. It fails with CONFIG_INVALID when a file of
 * `tls` cannot be read, or another plugin stores the pool.
 */
export const etcd = definePlugin({
  name: 'etcd',
  schema,
  memory: (): Memory => ({ parked: undefined }),
  check({ hosts, lease, renew, holdOff }, { leadershipNeed: ms, warn }) {
    checkTimes(electionTimes({ lease, renew, holdOff }, ms === 0 ? [] : [{ by: 'the config', ms }]), ms);
    const twice = hosts.find((host, index) => hosts.indexOf(host) < index);
    if (twice !== undefined) warn('hosts', `it names ${twice} twice`);
    if (hosts.length === 2) {
      warn('hosts', 'with two members etcd survives the loss of neither: add a third one, on any machine');
    }
  },
  async stored(options) {
    const rows = await readStoredRows(nodeOptions(options).access, options.prefix);
    if (options.keyFile === undefined) return rows;
    return await new SealedStore(new FixedStore(rows), await readKeyFile(options.keyFile, 'refuse')).load();
  },
  async manager(manager, options) {
    const node = await takeNode(nodeOptions(options), manager);
    manager.onClose(async () => {
      if (manager.status.stopping) await node.close();
      else park(node, manager);
    });
    manager.hooks.workerReady.tap('etcd', () => node.election.reconsider());
    // Workers still run, so clients of the service address reach the next leader before these end.
    manager.hooks.stopping.tapPromise('etcd', async () => await node.leave());
    showHealth(node, manager);
    addClusterRoutes(manager.admin, node);
    addLeadershipRoutes(manager.admin, node);
    const key = options.keyFile === undefined ? undefined : await readKeyFile(options.keyFile, 'refuse');
    await manager.operator.useStore(key === undefined ? node.store : new SealedStore(node.store, key));
  },
});

/** Shows the cluster as this node sees it, once a second. */
function showHealth({ store, roundTrip }: ClusterNode, { metrics, clock, events, onClose }: Side): void {
  const following = metrics.gauge({
    name: 'etcd_up',
    help: "Whether a majority of etcd answers, and this node's copy of the cluster's state is up to date.",
  });
  const lag = metrics.gauge({
    name: 'etcd_lag_seconds',
    help: 'Time since etcd last confirmed that this node has all of its state.',
  });
  const problem = new AwayProblem({ store, events, clock });
  const mean = metrics.gauge({
    name: 'etcd_round_trip_seconds',
    help: "How long etcd's majority takes to confirm something, as a moving mean.",
  });
  const worst = metrics.gauge({
    name: 'etcd_round_trip_worst_seconds',
    help: "The longest that etcd's majority took to confirm something in the last minute.",
  });
  const look = (): void => {
    problem.look();
    following.set(store.stale ? 0 : 1);
    if (Number.isFinite(store.silentFor)) lag.set(Math.max(0, store.silentFor) / 1_000);
    if (roundTrip.mean !== undefined) mean.set(roundTrip.mean / 1_000);
    if (roundTrip.worst !== undefined) worst.set(roundTrip.worst / 1_000);
  };
  look();
  onClose(clock.every(1_000, look));
}

/** Returns the node from before a reload if its options are the same, or a new one. */
async function takeNode(options: ClusterNodeOptions, manager: Side): Promise<ClusterNode> {
  const { pools, status, log, clock, hooks, events } = manager;
  const surroundings: ClusterSurroundings = {
    pools,
    status,
    log,
    clock,
    events,
    leaderChanged: async leadership => await hooks.leaderChanged.promise(leadership),
    handingOver: async () => await hooks.handingOver.promise(),
    objections() {
      const objections: string[] = [];
      hooks.mayLead.call(objections);
      return objections;
    },
    needs() {
      const needs: LeadershipNeed[] = [];
      hooks.leadershipNeeds.call(needs);
      return needs;
    },
    addresses() {
      const addresses: ServiceAddress[] = [];
      hooks.serviceAddresses.call(addresses);
      return addresses;
    },
  };
  // Checked first, so that a running node is not ended for one that could not start.
  if (options.failsafe !== undefined) await Failsafe.expectPossible(options.failsafe);
  const before = manager.memory.parked?.take();
  if (before !== undefined) {
    if (JSON.stringify(before.options) === JSON.stringify(options)) {
      before.adopt(surroundings);
      return before;
    }
    await before.close();
  }
  return await ClusterNode.create(options, surroundings);
}

/** Keeps a node running for the plugin of the next config. */
function park(node: ClusterNode, { memory, clock, log }: Side): void {
  const cancel = clock.after(parkedFor, () => {
    if (memory.parked !== left) return;
    memory.parked = undefined;
    node
      .close()
      .catch((thrown: unknown) => log.error({ reason: describeError(thrown) }, 'leaving the cluster failed'));
  });
  const left: Parked = {
    node,
    take() {
      cancel();
      memory.parked = undefined;
      return node;
    },
  };
  memory.parked = left;
}

function nodeOptions(options: z.output<typeof schema>): ClusterNodeOptions {
  const { hosts, user, password, tls, lease, renew, holdOff, keyFile: _, ...rest } = options;
  return {
    ...rest,
    access: { hosts, user, password, tls: tls && readTls(tls) },
    times: { lease, renew, holdOff },
  };
}

function readTls(files: NonNullable<z.output<typeof schema>['tls']>): EtcdTls {
  const read = (path: string, field: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (thrown) {
      throw new WeldrError(
        'CONFIG_INVALID',
        `tls.${field} of etcd cannot be read: ${describeError(thrown)}`,
        {
          field: `tls.${field}`,
        },
      );
    }
  };
  const { ca, cert, key, servername } = files;
  return {
    ca: read(ca, 'ca'),
    cert: cert === undefined ? undefined : read(cert, 'cert'),
    key: key === undefined ? undefined : read(key, 'key'),
    servername,
  };
}
