// `weldr events`: prints the events of a running Weldr, past ones and new ones.
import { once } from 'node:events';
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { usageError } from '../command-error.ts';
import { resumedMessages } from '../resumed-messages.ts';
import { printable } from '../table.ts';
import { toJson, understood } from './servers.ts';

const event = z.looseObject({
  at: z.number(),
  type: z.string(),
  severity: z.string(),
  text: z.string(),
  by: z.string().optional(),
});
const eventList = z.looseObject({ events: z.array(event) });
const gap = z.looseObject({ after: z.number(), first: z.number() });
type ShownEvent = z.output<typeof event>;

/** How many past events are shown by default, with `--follow` too. */
const shownBefore = 10;
const shownOfAll = 100;

/** The wanted events. */
export interface EventsWish {
  /** Types and groups of types, separated by commas; undefined: all. */
  readonly type: string | undefined;
  readonly pool: string | undefined;
  readonly limit: string | undefined;
}

/** Returns the latest events, a line each. */
export async function listEvents(admin: AdminClient, wish: EventsWish, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'GET', path: `/events?${queryOf(wish, shownOfAll)}` });
  if (json) return toJson(answer);
  const { events } = understood(eventList, answer);
  return events.length === 0 ? 'no events' : events.map(lineOf).join('\n');
}

/** Writes the latest events and then each as it happens, across restarts of Weldr, until the reader leaves. */
export async function followEvents(admin: AdminClient, wish: EventsWish, json: boolean): Promise<void> {
  const { stdout: output } = process;
  const stop = new AbortController();
  const { signal } = stop;
  output.once('error', () => stop.abort());
  const messages = resumedMessages(admin, `/events?${queryOf(wish, shownBefore)}`, signal);
  for await (const { event: name, data } of messages) {
    const text = textOf(name, data, json);
    // A slow reader must not make this process grow.
    if (text !== undefined && !output.write(`${text}\n`)) await drained(output, signal);
  }
}

async function drained(output: NodeJS.WritableStream, signal: AbortSignal): Promise<void> {
  await once(output, 'drain', { signal }).catch(() => {});
}

function textOf(name: string, data: string, json: boolean): string | undefined {
  const value: unknown = JSON.parse(data);
  if (name === 'gap') {
    understood(gap, value);
    const text = 'the events in between are no longer kept';
    return json ? JSON.stringify({ gap: value }) : `-- ${text} --`;
  }
  if (name !== 'message') return undefined;
  return json ? data : lineOf(understood(event, value));
}

/** Returns a line such as `2026-03-01 14:03:07  warning  server.state   server … is down (by health-check)`. */
function lineOf({ at, type, severity, text, by }: ShownEvent): string {
  const author = by === undefined || text.endsWith(`by ${by}`) ? '' : ` (by ${by})`;
  return printable(`${timeOf(at)}  ${severity.padEnd(7)}  ${type.padEnd(18)}  ${text}${author}`);
}

/** Returns the local time. */
function timeOf(at: number): string {
  const date = new Date(at);
  const two = (part: number): string => String(part).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function queryOf({ type, pool, limit }: EventsWish, usual: number): URLSearchParams {
  if (limit !== undefined && !/^[1-9]\d{0,3}$/.test(limit)) {
    throw usageError(`--limit: expected a number from 1 to 1000, got ${JSON.stringify(limit)}`);
  }
  const query = new URLSearchParams({ limit: limit ?? String(usual) });
  if (type !== undefined) query.set('type', type);
  if (pool !== undefined) query.set('pool', pool);
  return query;
}
