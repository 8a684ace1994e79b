// The order of the servers: by a column, or by what changed last.
import { signal } from '@preact/signals';
import type { Server } from '../../data/server.ts';

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

const names = new Intl.Collator('en', { numeric: true });

export const order = signal<{ readonly by: Column; readonly isTurned: boolean }>({
  by: 'server',
  isTurned: false,
});

/** A column again turns its order round. */
export function sortBy(by: Column): void {
  order.value = { by, isTurned: order.value.by === by ? !order.value.isTurned : false };
}

export function sorted(list: readonly Server[]): Server[] {
  const { by, isTurned } = order.value;
  const key = keys[by];
  const sign = isTurned ? -1 : 1;
  return list.toSorted((one, other) => {
    const [left, right] = [key(one), key(other)];
    const compared =
      typeof left === 'number' && typeof right === 'number'
        ? left - right
        : names.compare(String(left), String(right));
    return sign * compared || names.compare(keys.server(one).toString(), keys.server(other).toString());
  });
}
