// Pool changes: measures whether a thousand changes a second by the API slow requests down.
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from './accounting.ts';
import { halfLoad, latencySeconds } from './latency.ts';
import type { Load } from './load.ts';
import { pinProcess, yieldProcess } from './machine.ts';
import { originAddresses } from './origin.ts';
import { type ChangeTask, changePool } from './pool-change-process.ts';
import { AdminClient, type Target } from './pool-change-stream.ts';
import { stop } from './processes.ts';
import type { RunningProxy } from './proxies/proxy.ts';
import { weldr } from './proxies/weldr.ts';
import { noiseNotes, p99Of, type Sample, takeSample } from './sample.ts';
import { formatCount, formatMedian, formatRatio, formatTime } from './section.ts';
import { pairedRatios, summarise } from './statistics.ts';
import type { Bench, Study, StudyResult } from './study.ts';

const changesPerSecond = 1_000;
/** How long changes run before and after a run, s. */
const leadTime = 0.5;
/** Servers that stay in the pool, and servers that come and go. */
const lasting = originAddresses.slice(0, 20);
const passing = originAddresses.slice(20);

const title = `p99 under ${formatCount(changesPerSecond)} pool changes a second from the API, at half saturation`;
const notes = [
  'The manager carries the changes out. On the core of client and origin it runs at idle priority, as does the ' +
    'process that asks for the changes. That alone disturbs a measurement on two cores, so what is compared with is ' +
    'the same work there for another Weldr, which has no clients: what is left is what the changes do to the worker.',
];

/** The Weldrs of this study, each with its worker on the proxy's core. */
interface Weldrs {
  /** Its manager is on another core. */
  readonly aside: RunningProxy;
  /** Its manager is on the worker's core. */
  readonly beside: RunningProxy;
  /** It has no clients, and runs on the other core as a whole. */
  readonly decoy: RunningProxy;
}

/** The activity during a run. */
interface Activity {
  readonly label: string;
  /** The measured Weldr. */
  readonly proxy: RunningProxy;
  /** The Weldr whose pool is changed, and how. */
  readonly changed: RunningProxy | undefined;
  readonly kind: ChangeTask['kind'];
  /** The activity to compare with; undefined: none. */
  readonly base: Activity | undefined;
  readonly samples: Sample[];
  /** Changes a second, per run. */
  readonly rates: number[];
}

export const poolChanges: Study = {
  name: 'pool-changes',
  quick: false,
  async run(bench) {
    const beside = bench.running.get(weldr.name);
    if (beside === undefined) {
      const section = { name: 'pool-changes', title, headings: [], rows: [], refusals: [] };
      return { section: { ...section, notes: ['It needs weldr.'] }, figures: undefined };
    }
    const { origin, cores } = bench;
    const aside = await weldr.start({ origin, cores: cores.proxy, workers: 1 });
    const decoy = await weldr.start({ origin, cores: cores.client, workers: 1 });
    try {
      pinProcess(aside.process.pid, cores.client);
      yieldProcess(aside.process.pid);
      for (const pid of processTree(decoy.process.pid)) yieldProcess(pid);
      return await measure(bench, { aside, beside, decoy });
    } finally {
      await Promise.all([stop(aside.process), stop(decoy.process)]);
    }
  },
};

function plan({ aside, beside, decoy }: Weldrs): readonly Activity[] {
  const activity = (
    label: string,
    proxy: RunningProxy,
    kind: ChangeTask['kind'],
    changed: RunningProxy | undefined,
    base?: Activity,
  ): Activity => ({ label, proxy, changed, kind, base, samples: [], rates: [] });
  const otherWeights = activity('weights of another Weldr', aside, 'weights', decoy);
  const otherServers = activity('servers of another Weldr', aside, 'membership', decoy);
  const quiet = activity("no changes, manager on the worker's core", beside, 'weights', undefined);
  return [
    activity('no changes, manager on another core', aside, 'weights', undefined),
    otherWeights,
    activity('weights, manager on another core', aside, 'weights', aside, otherWeights),
    otherServers,
    activity('servers, manager on another core', aside, 'membership', aside, otherServers),
    quiet,
    activity("weights, manager on the worker's core", beside, 'weights', beside, quiet),
    activity("servers, manager on the worker's core", beside, 'membership', beside, quiet),
  ];
}

async function measure(bench: Bench, weldrs: Weldrs): Promise<StudyResult> {
  const all = [weldrs.aside, weldrs.beside, weldrs.decoy];
  const activities = plan(weldrs);
  const added = lasting.slice(1).map(address => ({ address, port: bench.origin.port }));
  const admins = all.map(adminOf);
  let failed = 0;
  try {
    await Promise.all(admins.flatMap(admin => added.map(server => admin.add(server))));
    const loads = new Map<RunningProxy, Load>();
    for (const proxy of [weldrs.aside, weldrs.beside]) loads.set(proxy, (await halfLoad(bench, proxy)).load);
    for (let round = 1; round <= bench.effort.rounds; round++) {
      for (const activity of round % 2 === 0 ? activities : activities.toReversed()) {
        bench.progress(`pool-changes: round ${round} of ${bench.effort.rounds}, ${activity.label}`);
        const load = loads.get(activity.proxy);
        if (load !== undefined) failed += await takeOne(bench, activity, load);
      }
    }
  } finally {
    await Promise.all(admins.flatMap(admin => added.map(server => admin.remove(server))));
    for (const admin of admins) admin.close();
  }
  return result(activities, failed);
}

/** Runs an activity once. Returns how many changes failed. */
async function takeOne(bench: Bench, activity: Activity, load: Load): Promise<number> {
  const seconds = latencySeconds(bench);
  const { changed, kind } = activity;
  const target = (address: string): Target => ({ address, port: bench.origin.port });
  const changes =
    changed?.adminPort === undefined
      ? undefined
      : changePool(
          {
            adminPort: changed.adminPort,
            kind,
            targets: (kind === 'weights' ? lasting : passing).map(target),
            perSecond: changesPerSecond,
            seconds: seconds + leadTime * 2,
          },
          bench.cores.client,
        );
  await sleep(leadTime * 1000);
  activity.samples.push(await takeSample(bench, activity.proxy, load, seconds));
  const outcome = await changes;
  if (outcome !== undefined) activity.rates.push(outcome.rate);
  return outcome?.failed ?? 0;
}

function result(activities: readonly Activity[], failed: number): StudyResult {
  const samples = activities.flatMap(activity => activity.samples);
  const refused =
    samples.find(sample => sample.refused !== undefined)?.refused ??
    (failed > 0 ? `${failed} changes failed` : undefined);
  const row = ({ label, rates, samples: own, base }: Activity): string[] => [
    label,
    formatMedian(summarise(rates), formatCount),
    formatMedian(summarise(own.map(sample => sample.requestsPerSecond)), formatCount),
    formatMedian(summarise(own.map(p99Of)), formatTime),
    base === undefined
      ? '1.00'
      : formatRatio(summarise(pairedRatios(own.map(p99Of), base.samples.map(p99Of)))),
  ];
  return {
    section: {
      name: 'pool-changes',
      title,
      headings: ['', 'changes/s', 'requests/s', 'p99', '× without (quartiles)'],
      rows: refused === undefined ? activities.map(row) : [],
      notes: [...notes, ...noiseNotes(samples)],
      refusals: refused === undefined ? [] : [`no comparison: ${refused}`],
    },
    figures: {
      failed,
      activities: activities.map(({ label, samples: own, rates }) => ({ label, samples: own, rates })),
    },
  };
}

function adminOf({ adminPort }: RunningProxy): AdminClient {
  if (adminPort === undefined) throw new Error('this proxy has no admin API');
  return new AdminClient(adminPort);
}
