// Overview: how much of what is in force is an operator's word, in one line.
import type { Row } from './row.ts';
import type { State } from './state.ts';

/** What an operator's row does. */
export type Standing =
  /** It changes fields of what the config or a source says. */
  | 'changed'
  /** It stands where the config or a source says something, which has no effect. */
  | 'shadowing'
  /** It stands by itself. */
  | 'added'
  /** It keeps away what the config or a source says. */
  | 'removed'
  /** What it is about is not there: it has no effect until it is. */
  | 'waiting';

/** Rows by what they do. */
export type Overview = Readonly<Record<Standing, readonly Row[]>>;

/** The most rows that are named of each sort. */
const maxNamed = 3;

/** What each row does; those that a plugin keeps for itself are no operator's word. */
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

/** One line; undefined: operators said nothing. */
export function overviewText(overview: Overview): string | undefined {
  const parts = Object.entries(overview).flatMap(([standing, rows]) => {
    if (rows.length === 0) return [];
    const named = rows.slice(0, maxNamed).map(nameOf);
    const more = rows.length > maxNamed ? ', …' : '';
    return [`${rows.length} ${standing} (${named.join(', ')}${more})`];
  });
  return parts.length === 0 ? undefined : `operators' word over the config: ${parts.join('; ')}`;
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
