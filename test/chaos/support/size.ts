// How long chaos goes on: briefly in every test run, thoroughly in `npm run test:chaos`.
import { appendFileSync } from 'node:fs';

/** Is this the long form? */
export const isLong = process.env['CHAOS'] === 'long';

/** The one for the short form or the one for the long form. */
export function size(short: number, long: number): number {
  return isLong ? long : short;
}

/** Keeps a figure of a long run for the report on reliability, in the file that CHAOS_FIGURES names. */
export function figure(text: string): void {
  const file = process.env['CHAOS_FIGURES'];
  if (isLong && file !== undefined) appendFileSync(file, `${text}\n`);
}
