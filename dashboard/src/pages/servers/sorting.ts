// The order of the servers: by a column, or by the last change.
import { signal } from '@preact/signals';
import type { Server } from '../../data/server.ts';
import { type Order, sortedBy, turned } from '../../parts/sort-head.tsx';

export type Column = 'server' | 'state' | 'rate' | 'errors' | 'inFlight' | 'latency' | 'weight' | 'changed';

const rank = { down: 0, draining: 1, disabled: 2, active: 3 } as const;

const keys: Readonly<Record<Column, (server: Server) => number | string>> = {
  server: ({ pool, id }) => `${pool} ${id}`,
  state: ({ state }) => rank[state],
  rate: ({ rate = 0 }) => -rate,
  errors: ({ errorShare = 0 }) => -errorShare,
  inFlight: ({ inFlight = 0 }) => -inFlight,
  latency: ({ p99 }) => -(p99 ?? 0),
  weight: ({ facts }) => -(facts?.weight ?? 1),
  changed: ({ changedAt }) => -changedAt,
};

export const order = signal<Order<Column>>({
  by: 'server',
  isTurned: false,
});

/** Choosing a column again reverses its order. */
export function sortBy(by: Column): void {
  order.value = turned(order.value, by);
}

/** By the column, then by name. */
export function sorted(list: readonly Server[]): readonly Server[] {
  const { by, isTurned } = order.value;
  return sortedBy(sortedBy(list, keys.server, false), keys[by], isTurned);
}
