// Body transforms: what plugins ask to be put into the way of a body, and who asked.
import type { Duplex } from 'node:stream';

/** Makes a body transform: a Node stream which takes the body's chunks and gives those to send instead. */
export type BodyTransform = () => Duplex;

/** A transform, and the plugin which asked for it. */
export interface AskedTransform {
  readonly make: BodyTransform;
  readonly plugin: string;
}

/** Transforms of one body. */
const maxTransforms = 16;

/** The transforms of a body with one more. Throws a TypeError for what is no function, and for one too many. */
export function withTransform(
  known: readonly AskedTransform[] | undefined,
  make: BodyTransform,
  plugin: string,
): readonly AskedTransform[] {
  if (typeof make !== 'function') throw new TypeError('a transform is a function which makes a stream');
  const all = [...(known ?? []), { make, plugin }];
  if (all.length > maxTransforms) throw new TypeError(`a body has at most ${maxTransforms} transforms`);
  return all;
}
