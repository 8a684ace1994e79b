// PlayLogs: the logs of the Weldrs during a play, in a folder beside the raw figures.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from './figures.ts';
import type { Outcome } from './scenario.ts';
import type { World } from './world.ts';

/** Returns whether a play has no problem. */
export function isFlawless({ checks, overlaps, lost, error }: Outcome): boolean {
  return (
    error === undefined && overlaps.length === 0 && lost.length === 0 && checks.every(({ holds }) => holds)
  );
}

/** Writes one file for each Weldr into `folder`; returns their folder. */
export function keepLogs(
  folder: string,
  { nodes }: World,
  { scenario, run, at }: Pick<Entry, 'scenario' | 'run' | 'at'>,
): string {
  const place = join(folder, `${run} ${scenario.replaceAll('/', ' ').slice(0, 100)}`);
  mkdirSync(place, { recursive: true });
  for (const { name, lines } of nodes) {
    const own = lines.filter(line => timeOf(line) >= at);
    writeFileSync(join(place, `${name}.log`), `${own.join('\n')}\n`);
  }
  return place;
}

/** When a line was logged, ms; a line that is not a record belongs to all plays. */
function timeOf(line: string): number {
  const time = /"time":"([^"]+)"/.exec(line)?.[1];
  return time === undefined ? Number.POSITIVE_INFINITY : Date.parse(time);
}
