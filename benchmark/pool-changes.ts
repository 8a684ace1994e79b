// Pool changes: whether a pool that the API changes a thousand times a second slows requests down.
import { setTimeout as sleep } from 'node:timers/promises';
import { halfLoad, latencySeconds } from './latency.ts';
import { pinProcess, yieldProcess } from './machine.ts';
import { originAddresses } from './origin.ts';
import { type ChangeTask, changePool } from './pool-change-process.ts';
import { AdminClient, type Target } from './pool-change-stream.ts';
import { stop } from './processes.ts';
import type { RunningProxy } from './proxies/proxy.ts';
import { weldr } from './proxies/weldr.ts';
import { noiseNotes, type Sample, takeSample } from './sample.ts';
import { formatCount, formatMedian, formatRatio, formatTime } from './section.ts';
import { pairedRatios, summarise } from './statistics.ts';
import type { Bench, Study, StudyResult } from './study.ts';
import type { Load } from './wrk.ts';

const changesPerSecond = 1_000;
/** Of changes before a run, and after it, s. */
const leadTime = 0.5;
const activityKinds: readonly (readonly [label: string, kind: ChangeTask['kind'] | undefined])[] = [
  ['no changes', undefined],
  ['weights', 'weights'],
  ['servers', 'membership'],
];
/** Servers that are in the pool all the time, and that come and go. */
const lasting = originAddresses.slice(0, 20);
const passing = originAddresses.slice(20);

const title = `p99 under ${formatCount(changesPerSecond)} pool changes a second from the API, at half saturation`;

/** Where the manager runs, and what its pool is changed by. */
interface Place {
  readonly label: string;
  readonly proxy: RunningProxy;
  readonly adminPort: number;
}

/** What is going on in the pool of a proxy during a run. */
interface Activity {
  readonly label: string;
  readonly place: Place;
  readonly kind: ChangeTask['kind'] | undefined;
  readonly samples: Sample[];
  /** Of each run, changes a second. */
  readonly rates: number[];
}

export const poolChanges: Study = {
  name: 'pool-changes',
  quick: false,
  async run(bench) {
    const beside = bench.running.get(weldr.name);
    if (beside?.adminPort === undefined) {
      const section = { name: 'pool-changes', title, headings: [], rows: [], refusals: [] };
      return { section: { ...section, notes: ['It needs weldr.'] }, figures: undefined };
    }
    const aside = await weldr.start({ origin: bench.origin, cores: bench.cores.proxy, workers: 1 });
    const places: readonly Place[] = [
      { label: 'manager on another core', proxy: aside, adminPort: aside.adminPort ?? 0 },
      { label: "manager on the worker's core", proxy: beside, adminPort: beside.adminPort },
    ];
    try {
      // The worker stays where it is.
      pinProcess(aside.process.pid, bench.cores.client);
      yieldProcess(aside.process.pid);
      return await measure(bench, places);
    } finally {
      await stop(aside.process);
    }
  },
};

async function measure(bench: Bench, places: readonly Place[]): Promise<StudyResult> {
  const { port } = bench.origin;
  const target = (address: string): Target => ({ address, port });
  const added = lasting.slice(1).map(target);
  const targets = { weights: lasting.map(target), membership: passing.map(target) };
  const activities = places.flatMap(place =>
    activityKinds.map(
      ([label, kind]): Activity => ({
        label: `${place.label}: ${label}`,
        place,
        kind,
        samples: [],
        rates: [],
      }),
    ),
  );
  const admins = places.map(({ adminPort }) => new AdminClient(adminPort));
  let failed = 0;
  try {
    await Promise.all(admins.flatMap(admin => added.map(server => admin.add(server))));
    const loads = new Map<Place, Load>();
    for (const place of places) loads.set(place, (await halfLoad(bench, place.proxy)).load);
    const { rounds } = bench.effort;
    const seconds = latencySeconds(bench);
    for (let round = 1; round <= rounds; round++) {
      for (const { label, place, kind, samples, rates } of round % 2 === 0
        ? activities
        : activities.toReversed()) {
        bench.progress(`pool-changes: round ${round} of ${rounds}, ${label}`);
        const changes =
          kind === undefined
            ? undefined
            : changePool(
                {
                  adminPort: place.adminPort,
                  kind,
                  targets: targets[kind],
                  perSecond: changesPerSecond,
                  seconds: seconds + leadTime * 2,
                },
                bench.cores.client,
              );
        await sleep(leadTime * 1000);
        const load = loads.get(place);
        if (load !== undefined) samples.push(await takeSample(bench, place.proxy, load, seconds));
        const outcome = await changes;
        if (outcome !== undefined) rates.push(outcome.rate);
        failed += outcome?.failed ?? 0;
      }
    }
  } finally {
    await Promise.all(admins.flatMap(admin => added.map(server => admin.remove(server))));
    for (const admin of admins) admin.close();
  }
  return result(activities, failed);
}

function result(activities: readonly Activity[], failed: number): StudyResult {
  const refused =
    activities.flatMap(({ samples }) => samples).find(sample => sample.refused !== undefined)?.refused ??
    (failed > 0 ? `${failed} changes failed` : undefined);
  const p99 = ({ samples }: Activity): number[] => samples.map(sample => sample.p99);
  const ratio = (one: Activity): string => {
    const quiet = activities.find(({ place, kind }) => place === one.place && kind === undefined);
    if (quiet === undefined || quiet === one) return '1.00';
    return formatRatio(summarise(pairedRatios(p99(one), p99(quiet))));
  };
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
              ratio(one),
            ])
          : [],
      notes: [
        'The manager carries the changes out. Another core is that of the client and the origin, to which it and the ' +
          'process that asks for the changes give way, as if it had one of its own.',
        ...noiseNotes(activities.flatMap(({ samples }) => samples)),
      ],
      refusals: refused === undefined ? [] : [`no comparison: ${refused}`],
    },
    figures: {
      failed,
      activities: activities.map(({ label, samples, rates }) => ({ label, samples, rates })),
    },
  };
}
