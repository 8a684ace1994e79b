// LabelIndex: the available upstreams of a pool by label and value, for one version of the pool.
import type { Upstream } from './upstream.ts';

const noUpstreams: readonly Upstream[] = Object.freeze([]);

/** Made for all labels when one is first looked up after a change, so a look-up costs no more than two maps. */
export class LabelIndex {
  #byLabel: ReadonlyMap<string, ReadonlyMap<string, readonly Upstream[]>> = new Map();
  #version = -1;

  /** Returns whether it is of this version of the pool. */
  isOf(version: number): boolean {
    return this.#version === version;
  }

  /** Indexes the available upstreams of a version. */
  build(available: readonly Upstream[], version: number): void {
    this.#byLabel = byLabel(available);
    this.#version = version;
  }

  /** The upstreams whose label has this value; the same array until the next {@link build}. */
  get(label: string, value: string): readonly Upstream[] {
    return this.#byLabel.get(label)?.get(value) ?? noUpstreams;
  }
}

function byLabel(upstreams: readonly Upstream[]): Map<string, Map<string, readonly Upstream[]>> {
  const index = new Map<string, Map<string, Upstream[]>>();
  for (const upstream of upstreams) {
    for (const [label, value] of Object.entries(upstream.labels)) {
      const values = index.get(label) ?? new Map<string, Upstream[]>();
      index.set(label, values);
      const list = values.get(value);
      if (list === undefined) values.set(value, [upstream]);
      else list.push(upstream);
    }
  }
  for (const values of index.values()) for (const list of values.values()) Object.freeze(list);
  return index;
}
