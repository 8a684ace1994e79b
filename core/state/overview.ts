// Overview: how much of the active state comes from operators, in one line.
import type { Row } from './row.ts';
import type { State } from './state.ts';

/** What an operator's row does. */
export type Standing =
  /** It changes fields of a thing of the config or a source. */
  | 'changed'
  /** It hides a thing of the config or a source. */
  | 'shadowing'
  /** It adds a thing that is in no other layer. */
  | 'added'
  /** It removes a thing of the config or a source. */
  | 'removed'
  /** Its thing does not exist: it has no effect until it does. */
  | 'waiting';

/** Rows by what they do. */
export type Overview = Readonly<Record<Standing, readonly Row[]>>;

/** The most rows of each sort that are named. */
const maxNamed = 3;

/** Returns what each row does, without the rows that a plugin keeps for itself. */
export function overviewOf(state: State): Overview {
  const overview: Record<Standing, Row[]> = {
    changed: [],
    shadowing: [],
    added: [],
    removed: [],
    waiting: [],
  };
  for (const row of state.all) {
    if (!row.by.startsWith('plugin ')) overview[standingOf(state, row)].push(row);
  }
  return overview;
}

/** Returns one line; undefined: operators changed nothing. */
export function overviewText(overview: Overview): string | undefined {
  const parts = Object.entries(overview).flatMap(([standing, rows]) => {
    if (rows.length === 0) return [];
    const named = rows.slice(0, maxNamed).map(nameOf);
    const more = rows.length > maxNamed ? ', …' : '';
    return [`${rows.length} ${standing} (${named.join(', ')}${more})`];
  });
  return parts.length === 0 ? undefined : `operators' changes over the config: ${parts.join('; ')}`;
}

function standingOf(state: State, row: Row): Standing {
  const hasBase = state.hasBase(row);
  if (row.op === 'define' && !hasBase && !state.takesNew(row.kind)) return 'waiting';
  if (row.op === 'define') return hasBase ? 'shadowing' : 'added';
  if (!hasBase) return 'waiting';
  return row.op === 'remove' ? 'removed' : 'changed';
}

function nameOf({ kind, key, op, value }: Row): string {
  const what = kind === 'server' ? key : `${kind} ${key}`;
  return op === 'patch' ? `${Object.keys(value ?? {}).join(' and ')} of ${what}` : what;
}
