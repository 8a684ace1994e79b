// Pool changes: whether a pool that the API changes a thousand times a second slows requests down.
import { halfLoad } from './latency.ts';
import { pinProcess } from './machine.ts';
import { originAddresses } from './origin.ts';
import { AdminClient, ChangeStream, type Target } from './pool-change-stream.ts';
import type { RunningProxy } from './proxies/proxy.ts';
import { weldr } from './proxies/weldr.ts';
import { noiseNotes, type Sample, takeSample } from './sample.ts';
import { formatCount, formatMedian, formatRatio, formatTime } from './section.ts';
import { pairedRatios, summarise } from './statistics.ts';
import type { Bench, Study, StudyResult } from './study.ts';

const changesPerSecond = 1_000;
/** Servers that are in the pool all the time, and that come and go. */
const lasting = originAddresses.slice(0, 20);
const passing = originAddresses.slice(20);

const title = `p99 under ${formatCount(changesPerSecond)} pool changes a second from the API, at half saturation`;

/** What is going on in the pool during a run. */
interface Activity {
  readonly label: string;
  /** Where the manager runs meanwhile; the worker stays on the proxy's core. */
  readonly managerCores: readonly number[];
  readonly samples: Sample[];
  /** Of each run, changes a second. */
  readonly rates: number[];
  /** Undefined: nothing changes. */
  readonly start: (() => ChangeStream) | undefined;
}

export const poolChanges: Study = {
  name: 'pool-changes',
  quick: false,
  async run(bench) {
    const proxy = bench.running.get(weldr.name);
    if (proxy?.adminPort === undefined) {
      const section = { name: 'pool-changes', title, headings: [], rows: [], refusals: [] };
      return { section: { ...section, notes: ['It needs weldr.'] }, figures: undefined };
    }
    const admin = new AdminClient(proxy.adminPort);
    const target = (address: string): Target => ({ address, port: bench.origin.port });
    const added = lasting.slice(1).map(target);
    try {
      await Promise.all(added.map(server => admin.add(server)));
      return await measure(bench, proxy, admin, lasting.map(target), passing.map(target));
    } finally {
      await Promise.all(added.map(server => admin.remove(server)));
      admin.close();
    }
  },
};

async function measure(
  bench: Bench,
  proxy: RunningProxy,
  admin: AdminClient,
  stay: readonly Target[],
  pass: readonly Target[],
): Promise<StudyResult> {
  const { rounds, seconds } = bench.effort;
  const { rate, load } = await halfLoad(bench, proxy);
  const { cores } = bench;
  const activity = (): Pick<Activity, 'samples' | 'rates'> => ({ samples: [], rates: [] });
  const weights = (): ChangeStream => new ChangeStream(admin, 'weights', stay, changesPerSecond);
  const membership = (): ChangeStream => new ChangeStream(admin, 'membership', pass, changesPerSecond);
  const quiet: Activity = { label: 'no changes', managerCores: cores.proxy, start: undefined, ...activity() };
  const activities: Activity[] = [
    quiet,
    { label: 'weights, manager on another core', managerCores: cores.client, start: weights, ...activity() },
    { label: 'weights', managerCores: cores.proxy, start: weights, ...activity() },
    {
      label: 'servers, manager on another core',
      managerCores: cores.client,
      start: membership,
      ...activity(),
    },
    { label: 'servers', managerCores: cores.proxy, start: membership, ...activity() },
  ];
  let failed = 0;
  for (let round = 1; round <= rounds; round++) {
    for (const { label, samples, rates, managerCores, start } of round % 2 === 0
      ? activities
      : activities.toReversed()) {
      bench.progress(`pool-changes: round ${round} of ${rounds}, ${label}`);
      pinProcess(proxy.process.pid, managerCores);
      const changes = start?.();
      samples.push(await takeSample(bench, proxy, load, seconds));
      if (changes !== undefined) rates.push(changes.rate);
      await changes?.stop();
      failed += changes?.failed ?? 0;
    }
  }
  pinProcess(proxy.process.pid, cores.proxy);
  const refused =
    activities.flatMap(({ samples }) => samples).find(sample => sample.refused !== undefined)?.refused ??
    (failed > 0 ? `${failed} changes failed` : undefined);
  const p99 = ({ samples }: Activity): number[] => samples.map(sample => sample.p99);
  return {
    section: {
      name: 'pool-changes',
      title,
      headings: ['', 'changes/s', 'requests/s', 'p99', '× no changes (quartiles)'],
      rows:
        refused === undefined
          ? activities.map(one => [
              one.label,
              formatMedian(summarise(one.rates), formatCount),
              formatMedian(summarise(one.samples.map(sample => sample.requestsPerSecond)), formatCount),
              formatMedian(summarise(p99(one)), formatTime),
              one === quiet ? '1.00' : formatRatio(summarise(pairedRatios(p99(one), p99(quiet)))),
            ])
          : [],
      notes: [
        'The manager carries the changes out: on the core of the worker, or on that of the client and the origin.',
        ...noiseNotes(activities.flatMap(({ samples }) => samples)),
      ],
      refusals: refused === undefined ? [] : [`no comparison: ${refused}`],
    },
    figures: { rate, failed, activities },
  };
}
