// Events, from `GET /events`.
import { signal } from '@preact/signals';
import type { Severity } from './overview.ts';
import type { ServerState } from './server.ts';

export interface WeldrEvent {
  readonly id: number;
  readonly at: number;
  readonly type: string;
  readonly severity: Severity;
  readonly text: string;
  readonly by?: string;
  readonly pool?: string;
  readonly server?: string;
  readonly from?: unknown;
  readonly to?: unknown;
  readonly reason?: string;
}

/** The most events kept by the page. */
export const mostEvents = 1000;

/** Newest first; undefined: this Weldr has no events. */
export const events = signal<readonly WeldrEvent[] | undefined>(undefined);

export function addEvents(more: readonly WeldrEvent[]): void {
  const known = new Set((events.value ?? []).slice(0, mostEvents).map(({ id }) => id));
  const fresh = more.filter(({ id }) => !known.has(id));
  events.value = [...(events.value ?? []), ...fresh]
    .sort((one, other) => other.id - one.id)
    .slice(0, mostEvents);
}

/** Returns the change of a server's state in an event; undefined: it is about something else. */
export function changeOf({ type, from, to }: WeldrEvent): { from: ServerState; to: ServerState } | undefined {
  return type === 'server.state' && isState(from) && isState(to) ? { from, to } : undefined;
}

const isState = (value: unknown): value is ServerState =>
  value === 'active' || value === 'down' || value === 'draining' || value === 'disabled';
