// `npm run test:cluster`: plays every scenario of the cluster in namespaces, and keepalived beside it. Prints what clients
// saw in medians beside the goals; exit code 1 for any problem.
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError } from '../../core/errors.ts';
import { buildForThisProcess } from '../support/built-package.ts';
import { whyNoEtcd } from './etcd-cluster.ts';
import { type Entry, Figures, type SuiteSettings } from './figures.ts';
import { KeepalivedPair, whyNoKeepalived } from './keepalived.ts';
import { keepalivedScenarios, playBeside } from './keepalived-scenarios.ts';
import { whyNoLab } from './lab.ts';
import { isFlawless, keepLogs } from './play-logs.ts';
import { type Outcome, play, type Scenario } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import { estimate, type Planned, schedule, type Visit } from './schedule.ts';
import type { Site } from './site.ts';
import { describe, markdownOf, problemsOf, rowsOf } from './table.ts';
import { World } from './world.ts';

const usage = `npm run test:cluster -- [WORDS] [OPTIONS]
  WORDS                 only scenarios whose names contain all of them, each in every run
  --list                name them, and play none
  --runs N              how often each gap is measured; default: 7
  --variant VARIANT     shared: etcd beside Weldr on two machines, and on a third (default); apart: on three separate machines
  --etcd SETTINGS       recommended: as in docs/cluster.md (default); plain: etcd's own
  --weldrs N            2 (default) to 4
  --without-keepalived  leave out the comparison with keepalived
  --json FILE           write the table and the problems as JSON
  --markdown            print the table as Markdown, too, for docs/cluster-guarantees.md
  --logs                keep the logs of every play, not only those with a problem
  --figures FILE        where the raw figures go; default: a new file in coverage/cluster/
  --continue FILE       continue the suite whose raw figures are in this file, with its options`;

function parsedArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean' },
        list: { type: 'boolean' },
        runs: { type: 'string', default: '7' },
        variant: { type: 'string', default: 'shared' },
        etcd: { type: 'string', default: 'recommended' },
        weldrs: { type: 'string', default: '2' },
        'without-keepalived': { type: 'boolean' },
        json: { type: 'string' },
        markdown: { type: 'boolean' },
        logs: { type: 'boolean' },
        figures: { type: 'string' },
        continue: { type: 'string' },
      },
    });
  } catch (thrown) {
    return fail(`${describeError(thrown)}\n\n${usage}`);
  }
}

const { values, positionals } = parsedArguments();

function settingsOf(): SuiteSettings {
  const { variant, etcd } = values;
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) fail(`--runs: expected a number from 1 on, got ${values.runs}`);
  if (variant !== 'shared' && variant !== 'apart')
    fail(`--variant: expected shared or apart, got ${variant}`);
  if (etcd !== 'recommended' && etcd !== 'plain') fail(`--etcd: expected recommended or plain, got ${etcd}`);
  const weldrs = Number(values.weldrs);
  if (![2, 3, 4].includes(weldrs)) fail(`--weldrs: expected 2, 3 or 4, got ${values.weldrs}`);
  return { runs, words: positionals, variant, etcd, weldrs, keepalived: !values['without-keepalived'] };
}

function fail(text: string): never {
  console.error(text);
  process.exit(2);
}

if (values.help) {
  console.log(usage);
  process.exit(0);
}
const missing = whyNoLab() ?? whyNoEtcd();
if (missing !== undefined && !values.list) fail(missing);

function orFail<T>(make: () => T): T {
  try {
    return make();
  } catch (thrown) {
    return fail(describeError(thrown));
  }
}

const { continue: earlier } = values;
const continued = earlier === undefined ? undefined : orFail(() => Figures.continue(earlier));
const settings = continued?.settings ?? settingsOf();
const { runs, words, variant, etcd, weldrs } = settings;

const isChosen = ({ name }: { readonly name: string }) =>
  words.every(word => name.toLowerCase().includes(word.toLowerCase()));
const wanted = scenarios.filter(
  scenario => isChosen(scenario) && !(variant === 'apart' && scenario.sharedOnly),
);
const own = wanted.filter(({ missing: whyNot }) => whyNot?.() === undefined);
const whyNotBeside = settings.keepalived ? whyNoKeepalived() : 'it is not wanted';
const beside = whyNotBeside === undefined ? keepalivedScenarios.filter(isChosen) : [];
if (own.length + beside.length === 0)
  fail(`no scenario has ${words.join(' and ')} in its name; --list names them`);

const each = words.length > 0 ? 'each' : 'once';
const ownVisits = schedule(own, runs, each);
// The figures of keepalived differ little from run to run.
const besideVisits = schedule(beside, runs, each).filter(({ run }) => run % 2 === 1);
const minutes = (seconds: number) => `${Math.ceil(seconds / 60)} minutes`;
if (values.list) {
  for (const { name, seconds, measures } of [...own, ...beside]) {
    console.log(`${String(seconds).padStart(3)} s ${measures ? 'each run' : 'once    '} ${name}`);
  }
  console.log(`about ${minutes(estimate([...ownVisits, ...besideVisits]))}`);
  process.exit(0);
}

// The bundle, which operators run, starts in half the time of the sources.
if (process.env['TEST_PACKAGE'] === undefined) buildForThisProcess(resolve(import.meta.dirname, '../..'));

const started = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
const figures =
  continued ?? orFail(() => Figures.begin(values.figures ?? `coverage/cluster/${started}.jsonl`, settings));

/** Leaves out the scenarios that were played before. */
function left<S extends Planned>(visits: readonly Visit<S>[], who: Entry['who']): Visit<S>[] {
  return visits.flatMap(visit => {
    const rest = visit.scenarios.filter(({ name }) => !figures.has({ who, scenario: name, run: visit.run }));
    return rest.length === 0 ? [] : [{ ...visit, scenarios: rest }];
  });
}

/** The site that runs now, to be removed when the suite is interrupted. */
let current: Site | undefined;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    console.log(`interrupted; --continue ${figures.path} continues it`);
    await current?.close().catch(() => {});
    process.exit(1);
  });
}

/** Plays the scenarios of a visit, all in the same site unless one has left it damaged. */
async function visit<W extends Site>(
  who: Entry['who'],
  { run, scenarios: chosen }: Visit<Scenario<W>>,
  start: () => Promise<W>,
  playIn: (site: W, scenario: Scenario<W>) => Promise<Outcome>,
): Promise<void> {
  let site: W | undefined;
  for (const scenario of chosen) {
    const at = Date.now();
    const load = loadavg()[0] ?? 0;
    let outcome: Outcome;
    try {
      site ??= await start();
      current = site;
      outcome = await playIn(site, scenario);
    } catch (thrown) {
      outcome = { ...nothing, error: String(thrown) };
    }
    const entry: Entry = { who, scenario: scenario.name, run, at, load, ...outcome };
    figures.add(entry);
    print(entry);
    if (site instanceof World && (values.logs || !isFlawless(outcome))) {
      console.log(`    logs: ${keepLogs(figures.path.replace(/\.jsonl$/, '-logs'), site, entry)}`);
    }
    if (outcome.error !== undefined && site !== undefined) {
      await end(site);
      site = undefined;
    }
  }
  if (site !== undefined) await end(site);
}

/** Problems while sites were removed. */
const endings: string[] = [];

async function end(site: Site): Promise<void> {
  await site.close().catch((thrown: unknown) => endings.push(String(thrown)));
}

const nothing: Outcome = {
  figures: [],
  checks: [],
  overlaps: [],
  failed: 0,
  lost: [],
  changes: 0,
  refusedChanges: 0,
};

function print({ who, scenario, run, load, figures: measured, checks, ...rest }: Entry): void {
  const mark = load > 2 ? ', busy' : '';
  console.log(`run ${run}: ${scenario} (load ${load.toFixed(1)}${mark})`);
  for (const { goal, longestGap, away, broken, failed, reconnects, errors } of measured) {
    console.log(
      `    ${goal}: gap ${longestGap} ms, address away ${away} ms, ${broken} broken, ${failed} failed, ` +
        `${reconnects} reconnects ${JSON.stringify(errors)}`,
    );
  }
  for (const { claim, holds, seen } of checks)
    console.log(`    ${holds ? '✔' : '✘'} ${claim}${seen && `: ${seen}`}`);
  for (const { machines, ms } of rest.overlaps) {
    console.log(`    ${who === 'weldr' ? '✘' : '–'} two holders: ${machines.join(' and ')} for ${ms} ms`);
  }
  for (const text of rest.lost) console.log(`    ✘ an acknowledged change is lost: ${text}`);
  if (rest.error !== undefined) console.log(`    ✘ could not be played: ${rest.error}`);
}

const ownLeft = left(ownVisits, 'weldr');
const besideLeft = left(besideVisits, 'keepalived');
console.log(`about ${minutes(estimate([...ownLeft, ...besideLeft]))}; raw figures go to ${figures.path}`);
for (const { name, missing: whyNot } of wanted) {
  const reason = whyNot?.();
  if (reason !== undefined) console.log(`not played: ${name}: ${reason}`);
}
if (whyNotBeside !== undefined) console.log(`keepalived is not played: ${whyNotBeside}`);
for (let run = 1; run <= runs; run++) {
  for (const next of ownLeft.filter(candidate => candidate.run === run)) {
    await visit('weldr', next, async () => await World.start({ variant, etcd, weldrs, ...next.world }), play);
  }
  for (const next of besideLeft.filter(candidate => candidate.run === run)) {
    await visit('keepalived', next, KeepalivedPair.start, playBeside);
  }
}

const problems = [...problemsOf(figures.entries), ...endings];
console.log(`\n${describe(figures.entries)}`);
if (values.markdown) console.log(`\n${markdownOf(figures.entries)}\n`);
if (values.json !== undefined) {
  const text = JSON.stringify({ settings, rows: rowsOf(figures.entries), problems }, undefined, 2);
  writeFileSync(values.json, `${text}\n`);
}
for (const problem of problems) console.log(`✘ ${problem}`);
console.log(problems.length === 0 ? 'all is well' : `${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
