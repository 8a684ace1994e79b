// Body transforms: streams that plugins insert into the path of a body.
import type { Duplex } from 'node:stream';

/** Makes a body transform: a Node stream that takes the body's chunks and returns those to send instead. */
export type BodyTransform = () => Duplex;

/** A transform, and the plugin that asked for it. */
export interface AskedTransform {
  readonly make: BodyTransform;
  readonly plugin: string;
}

/** Transforms of one body. */
const maxTransforms = 16;

/**
 * Returns a body's transforms with one more. Throws a TypeError for a value that is not a function, or when there are too
 * many.
 */
export function withTransform(
  known: readonly AskedTransform[] | undefined,
  make: BodyTransform,
  plugin: string,
): readonly AskedTransform[] {
  if (typeof make !== 'function') throw new TypeError('a transform is a function that makes a stream');
  const all = [...(known ?? []), { make, plugin }];
  if (all.length > maxTransforms) throw new TypeError(`a body has at most ${maxTransforms} transforms`);
  return all;
}
