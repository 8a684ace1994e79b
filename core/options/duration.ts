// Durations and sizes as people write them: "30s", "16kb".
import { z } from 'zod';
import { showInput } from './options.ts';

/** A kind of quantity: its texts and their meaning. */
interface Quantity {
  readonly what: string;
  readonly example: string;
  /** Number and unit. Without flags, as it is shown in the config's JSON schema. */
  readonly pattern: RegExp;
  /** By their names in lower case. */
  readonly units: Readonly<Record<string, number>>;
  readonly max: number;
}

const durations: Quantity = {
  what: 'a duration',
  example: '30s',
  pattern: /^\s*(\d+(?:\.\d+)?) ?([mM]?[sS]|[mMhHdD])\s*$/,
  units: { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 },
  // Timers of Node hold at most 2^31-1 ms.
  max: 2 ** 31 - 1,
};

const sizes: Quantity = {
  what: 'a size',
  example: '16kb',
  pattern: /^\s*(\d+(?:\.\d+)?) ?([kKmMgG]?[bB])\s*$/,
  units: { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 },
  max: Number.MAX_SAFE_INTEGER,
};

/** Milliseconds of a text such as `"30s"`, `"1.5m"`, `"250ms"`; undefined when it is not a duration. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, durations);
}

/** Bytes of a text such as `"16kb"` or `"1mb"` (powers of 1024); undefined when it is not a size. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, sizes);
}

function parseQuantity(
  text: string,
  { pattern, units, max }: Pick<Quantity, 'pattern' | 'units' | 'max'>,
): number | undefined {
  const match = pattern.exec(text);
  const unit = units[match?.[2]?.toLowerCase() ?? ''];
  if (match === null || unit === undefined) return undefined;
  const value = Math.round(Number(match[1]) * unit);
  return value <= max ? value : undefined;
}

/** Schema of a duration: a text such as "30s" or a number of ms; parsed to ms. Give a default with `prefault('30s')`. */
export function duration() {
  return quantity(durations);
}

/** Schema of a size: a text such as "16kb" or a number of bytes; parsed to bytes. Give a default with `prefault('1mb')`. */
export function size() {
  return quantity(sizes);
}

/** The text that was probably meant, for the end of a message: "5" is "5s", "5 min" is "5m". */
function meant(input: unknown, units: Quantity['units']): string {
  const [, number, word = ''] = (typeof input === 'string' && /^\s*(\d+)\s*([a-z]*)\s*$/i.exec(input)) || [];
  const unit = word === '' ? 's' : word.charAt(0).toLowerCase();
  return number === undefined || units['s'] === undefined || units[unit] === undefined
    ? ''
    : `; did you mean "${number}${unit}"?`;
}

function quantity({ what, example, pattern, units, max }: Quantity) {
  const error = ({ input }: { readonly input?: unknown }) =>
    `expected ${what} such as ${JSON.stringify(example)}, got ${showInput(input)}${meant(input, units)}`;
  const text = z.string().regex(pattern, { error });
  const number = z.number().int({ error }).min(0, { error }).max(max, { error });
  return z
    .union([text, number], { error })
    .meta({ examples: [example] })
    .transform((input, context) => {
      if (typeof input === 'number') return input;
      const value = parseQuantity(input, { pattern, units, max });
      if (value !== undefined) return value;
      context.addIssue({ code: 'custom', message: error({ input }) });
      return z.NEVER;
    }) as z.ZodType<number, string | number>;
}
