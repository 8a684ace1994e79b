// MetricDefinition: what a metric is, checked; and whether two are of the same shape.
import { z } from 'zod';
import { describeError, WeldrError } from '../errors.ts';
import { parse } from '../options/options.ts';
import { defaultBuckets } from './metrics.ts';

/** The three kinds of metrics. */
export type MetricKind = 'counter' | 'gauge' | 'histogram';

/** A metric as it was defined, with its defaults. It crosses process borders as JSON. */
export interface MetricDefinition {
  /** The plugin instance that it belongs to. */
  readonly instance: string;
  readonly kind: MetricKind;
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly maxChildren: number;
  /** Upper bounds of a histogram's buckets, without `+Inf`; empty for the other kinds. */
  readonly buckets: readonly number[];
}

/**
 * The label that distinguishes instances of one plugin. It is not called `instance`, because Prometheus adds a label of
 * that name to everything that it reads.
 */
export const instanceLabel = 'plugin_instance';

const word = /^[a-z_][a-z0-9_]*$/;
const takenEndings = ['_total', '_sum', '_count', '_bucket'];

const labelName = z
  .string()
  .max(100)
  .regex(word, 'a label is named [a-z_][a-z0-9_]*')
  .refine(
    name => name !== 'le' && name !== instanceLabel && !name.startsWith('__'),
    `le, ${instanceLabel} and names that begin with __ are not for plugins`,
  );

const shared = {
  help: z.string().min(1),
  labels: z
    .array(labelName)
    .max(10)
    .refine(labels => new Set(labels).size === labels.length, 'a label appears twice')
    .default([]),
  maxChildren: z.number().int().min(1).max(100_000).default(1000),
};

const anyName = z.string().max(200).regex(word, 'a metric is named [a-z_][a-z0-9_]*');
const counterName = anyName.refine(name => name.endsWith('_total'), 'the name of a counter ends in _total');
const otherName = anyName.refine(
  name => !takenEndings.some(ending => name.endsWith(ending)),
  `only counters end in _total, and no metric in ${takenEndings.slice(1).join(', ')}`,
);

const buckets = z
  .array(z.number())
  .min(1)
  .max(100)
  .refine(
    bounds => bounds.every((bound, at) => at === 0 || bound > (bounds[at - 1] ?? bound)),
    'buckets ascend',
  );

const counter = z.strictObject({ name: counterName, ...shared });
const gauge = z.strictObject({ name: otherName, ...shared });
const histogram = z.strictObject({
  name: otherName,
  ...shared,
  buckets: buckets.default([...defaultBuckets]),
});

/** Checks a spec. Throws PLUGIN_FAILED with the metric's name and what is wrong with it. */
export function defineMetric(instance: string, kind: MetricKind, spec: { name: string }): MetricDefinition {
  try {
    if (kind === 'histogram') return { instance, kind, ...parse(histogram, spec) };
    return { instance, kind, ...parse(kind === 'counter' ? counter : gauge, spec), buckets: [] };
  } catch (thrown) {
    throw new WeldrError('PLUGIN_FAILED', `${kind} ${String(spec.name)}: ${describeError(thrown)}`, {
      cause: thrown,
    });
  }
}

/** Returns whether values of the two can be added up. Their help texts and limits on children do not matter. */
export function sameShape(a: MetricDefinition, b: MetricDefinition): boolean {
  return describeShape(a) === describeShape(b);
}

/** Returns a definition in one line: `counter jwt_refused_total {reason}`. */
export function describeShape({ kind, name, labels, buckets: bounds }: MetricDefinition): string {
  const braces = labels.length === 0 ? '' : ` {${labels.join(', ')}}`;
  return `${kind} ${name}${braces}${bounds.length === 0 ? '' : `, buckets ${bounds.join(' ')}`}`;
}
