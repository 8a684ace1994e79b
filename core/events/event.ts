// Event: something that happened in a Weldr: what, to what, by whom, why; without secrets.

/** How bad it is. */
export type Severity = 'info' | 'warning' | 'error';

/** What an event or a problem is about; each field only if it is about such a thing. */
export interface Subject {
  readonly pool?: string | undefined;
  /** The id of a server. */
  readonly server?: string | undefined;
  readonly route?: string | undefined;
  readonly certificate?: string | undefined;
  readonly setting?: string | undefined;
  /** The number of a worker. */
  readonly worker?: number | undefined;
  /** The name of a node of the cluster. */
  readonly node?: string | undefined;
  readonly address?: string | undefined;
}

/** A new event. It must hold no secret: it is shown and kept. */
export interface NewEvent extends Subject {
  /** The kind of event, in lower case: a group and what happened, such as `server.state`. */
  readonly type: string;
  /** Default `info`. */
  readonly severity?: Severity | undefined;
  /** The whole event in a sentence, without the time; 500 characters of it are kept. */
  readonly text: string;
  /** Who did it: an operator, the instance of a plugin, `the config`, a source. */
  readonly by?: string | undefined;
  /** Only for a change of one field. */
  readonly field?: string | undefined;
  readonly from?: string | number | boolean | undefined;
  readonly to?: string | number | boolean | undefined;
  readonly reason?: string | undefined;
}

/** An event as it is kept and shown: plain JSON. */
export interface WeldrEvent extends NewEvent {
  /** Larger than the id of every event before it, even before a restart. */
  readonly id: number;
  /** ms since the epoch. */
  readonly at: number;
  readonly severity: Severity;
}

const maxText = 500;
const maxField = 300;
const typeForm = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)?$/;

/** Returns the event as it is kept: bounded, frozen, with known and defined fields only. Throws an Error for a bad type. */
export function eventOf(id: number, at: number, told: NewEvent): WeldrEvent {
  const { type, severity = 'info', text } = told;
  if (!typeForm.test(type) || type.length > 60) {
    throw new Error(`expected an event type such as server.state, got ${JSON.stringify(type).slice(0, 80)}`);
  }
  const event: Record<string, unknown> = { id, at, type, severity, text: bounded(text, maxText) };
  for (const field of fields) {
    const value = told[field];
    if (value === undefined) continue;
    event[field] = typeof value === 'string' ? bounded(value, maxField) : value;
  }
  // `event` has each required field from above, and the others from `told`.
  return Object.freeze(event) as unknown as WeldrEvent;
}

const fields = [
  'by',
  'pool',
  'server',
  'route',
  'certificate',
  'setting',
  'worker',
  'node',
  'address',
  'field',
  'from',
  'to',
  'reason',
] as const satisfies readonly (keyof NewEvent)[];

/** Returns a text from outside as one line of limited length. */
export function bounded(text: string, most: number): string {
  // Line breaks and control characters of terminals: the text is shown both in a terminal and on a page.
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').toWellFormed();
  return line.length <= most ? line : `${line.slice(0, most - 1).toWellFormed()}…`;
}
