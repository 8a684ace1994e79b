// Scenario: one fault of a cluster, and Stage, on which it is played, measured and checked.
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientReport } from './endless-client.ts';
import type { GoalName } from './goals.ts';
import type { Overlap } from './holder-watch.ts';
import { PoolChurn } from './pool-churn.ts';
import type { Site } from './site.ts';
import type { World, WorldOptions } from './world.ts';
import type { ClusterView, WorldNode } from './world-node.ts';

/** One fault of a cluster. */
export interface Scenario<W extends Site = World> {
  readonly name: string;
  /** About how long it takes, including the restoration, s. */
  readonly seconds: number;
  /** The world that it needs, unless it is the usual one. */
  readonly world?: WorldOptions;
  /** Played in each run, because it measures a gap; the others are played once in a suite. */
  readonly measures?: true;
  /** Short enough for every test run. */
  readonly short?: true;
  /** Not possible when etcd has separate machines. */
  readonly sharedOnly?: true;
  /** Returns why it cannot be played here; undefined if it can. */
  readonly missing?: () => string | undefined;
  play(stage: Stage<W>): Promise<void>;
}

/** What the client observed during one event. */
export interface Figure extends ClientReport {
  readonly goal: GoalName;
  /** How long no kernel had the address, ms. */
  readonly away: number;
  /** The machine's load average over a minute. */
  readonly load: number;
}

/** A claim that has to hold. */
export interface Check {
  readonly claim: string;
  readonly holds: boolean;
  /** What was observed instead, or with it. */
  readonly seen: string;
}

/** The result of a scenario. */
export interface Outcome {
  readonly figures: readonly Figure[];
  readonly checks: readonly Check[];
  /** Times when two machines had the address. */
  readonly overlaps: readonly Overlap[];
  /** Requests answered with an error, or not within five seconds. */
  readonly failed: number;
  /** Descriptions of acknowledged changes of the pool that are lost. */
  readonly lost: readonly string[];
  readonly changes: number;
  readonly refusedChanges: number;
  /** Why it could not be played to its end. */
  readonly error?: string;
}

// How long to wait for an answer before a gap ends anyway, ms.
const gapLimit = 12_000;

/** A world in which a scenario is played, and its findings. */
export class Stage<W extends Site = World> {
  readonly world: W;
  readonly figures: Figure[] = [];
  readonly checks: Check[] = [];

  constructor(world: W) {
    this.world = world;
  }

  /** Measures what the client sees from before `happen` until at least `ms` later, and until it is answered again. */
  async gap(goal: GoalName, happen: () => unknown, ms = 4000): Promise<void> {
    const { client, watch } = this.world;
    const load = loadavg()[0] ?? 0;
    const from = Date.now();
    await happen();
    await sleep(Math.max(0, from + ms - Date.now()));
    const since = Date.now();
    while (client.answeredAfter(since) === undefined && Date.now() < since + gapLimit) await sleep(50);
    const to = Date.now();
    this.figures.push({ goal, load, away: watch.away(from, to), ...client.report(from, to) });
  }

  /** Records whether a claim holds; the scenario continues. */
  check(claim: string, holds: boolean, seen: unknown = ''): void {
    const text = typeof seen === 'string' ? seen.trim().replaceAll('\n', ' ') : JSON.stringify(seen);
    this.checks.push({ claim, holds, seen: text });
  }

  /** Records whether a claim comes to hold within `ms`, and when. */
  async within(
    ms: number,
    claim: string,
    holds: () => unknown,
    seen: () => unknown = () => '',
  ): Promise<void> {
    const began = performance.now();
    for (;;) {
      const isSo = Boolean(await holds());
      const took = Math.round(performance.now() - began);
      if (isSo) return this.check(claim, true, `after ${took} ms`);
      if (took >= ms) return this.check(claim, false, { within: ms, seen: seen() });
      await sleep(100);
    }
  }
}

const reasonWithin = 5000;

/** Checks that a node reports why, in `GET /cluster` and, if `where` is `log too`, in an error of its log. */
export async function checkReported(
  stage: Stage,
  node: WorldNode,
  why: RegExp,
  { since, where, ms = reasonWithin }: { since: number; where: 'log too' | 'status only'; ms?: number },
): Promise<void> {
  // A late node is asked once anyway, to show what it reports instead.
  const left = Math.max(0, since + ms - Date.now());
  let view: ClusterView | undefined;
  const reasons = () =>
    [view?.address?.reason, view?.election?.reason, view?.etcd?.problem].filter(
      text => typeof text === 'string',
    );
  const errors = () => node.errorsSince(since).map(({ text }) => text);
  const checks = [
    stage.within(
      left,
      `GET /cluster of ${node.name} reports why (${why})`,
      async () => {
        view = await node.view();
        return reasons().some(text => why.test(text));
      },
      () => ({ address: view?.address, election: view?.election, etcd: view?.etcd }),
    ),
  ];
  if (where === 'log too') {
    checks.push(
      stage.within(
        left,
        `an error in the log of ${node.name} reports why (${why})`,
        () => errors().some(text => why.test(text)),
        () => errors().slice(-3),
      ),
    );
  }
  await Promise.all(checks);
}

/** Plays a scenario in a running world of Weldrs, which is restored afterwards unless there is an `error`. */
export async function play(world: World, scenario: Scenario): Promise<Outcome> {
  const stage = new Stage(world);
  const from = Date.now();
  let churn: PoolChurn | undefined;
  let lost: string[] = [];
  let error: string | undefined;
  try {
    await world.settled();
    if (!world.options.holderless) {
      churn = new PoolChurn(world);
      await sleep(1000);
      // On a busy machine the address may have been away for a moment.
      await world.settled();
    }
    await scenario.play(stage);
    await world.restore();
    await world.settled();
    lost = (await churn?.stop()) ?? [];
  } catch (thrown) {
    error = String(thrown);
    await churn?.halt();
  }
  return {
    figures: stage.figures,
    checks: stage.checks,
    overlaps: world.watch.overlaps(from),
    failed: churn === undefined ? 0 : world.client.report(from).failed,
    lost,
    changes: churn?.acknowledged ?? 0,
    refusedChanges: churn?.refused ?? 0,
    ...(error !== undefined && { error }),
  };
}
