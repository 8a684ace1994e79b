// How long chaos runs take: briefly in every test run, thoroughly in `npm run test:chaos`.
import { appendFileSync } from 'node:fs';

/** Whether this is the long form. */
export const isLong = process.env['CHAOS'] === 'long';

/** Returns the value for the short form or the one for the long form. */
export function size(short: number, long: number): number {
  return isLong ? long : short;
}

/** Appends a figure of a long run to the file that CHAOS_FIGURES names, for the report on reliability. */
export function figure(text: string): void {
  const file = process.env['CHAOS_FIGURES'];
  if (isLong && file !== undefined) appendFileSync(file, `${text}\n`);
}
