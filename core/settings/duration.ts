// Durations and sizes as people write them: "30s", "16kb".
import { z } from 'zod';
import { showInput } from './options.ts';

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const sizeUnits: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

// Timers of Node hold at most 2^31-1 ms.
const maxDuration = 2 ** 31 - 1;

/** Milliseconds of a text such as `"30s"`, `"1.5m"`, `"250ms"`; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, durationUnits, maxDuration);
}

/** Bytes of a text such as `"16kb"` or `"1mb"` (powers of 1024); undefined when it is none. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, sizeUnits, Number.MAX_SAFE_INTEGER);
}

function parseQuantity(
  text: string,
  units: Readonly<Record<string, number>>,
  max: number,
): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]+)$/i.exec(text.trim());
  const unit = units[match?.[2]?.toLowerCase() ?? ''];
  if (match === null || unit === undefined) return undefined;
  const value = Math.round(Number(match[1]) * unit);
  return value <= max ? value : undefined;
}

/** Schema of a duration: a text such as "30s" or a number of ms; parsed to ms. */
export function duration() {
  return quantity('a duration such as "30s"', parseDuration, maxDuration);
}

/** Schema of a size: a text such as "16kb" or a number of bytes; parsed to bytes. */
export function size() {
  return quantity('a size such as "16kb"', parseSize, Number.MAX_SAFE_INTEGER);
}

function quantity(expected: string, parse: (text: string) => number | undefined, max: number) {
  const refusal = (input: unknown) => `expected ${expected}, got ${showInput(input)}`;
  const textOrNumber = z.union([z.string(), z.number()], { error: issue => refusal(issue.input) });
  return textOrNumber.transform((input, context) => {
    const value = typeof input === 'number' ? input : parse(input);
    if (value !== undefined && Number.isInteger(value) && value >= 0 && value <= max) return value;
    context.addIssue({ code: 'custom', message: refusal(input) });
    return z.NEVER;
  }) as z.ZodType<number, string | number>;
}
