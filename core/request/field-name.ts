// FieldName: the name of a field as code asks for it, checked and folded once; and marks, by which a list of fields knows
// that it has none of a name without looking through its lines.
import { isToken } from './headers-syntax.ts';

/** More names than code has; what is beyond them, such as names that clients chose, is worked out at each use. */
const maxKept = 1024;

/** A name, with what is needed of it at each look-up. */
export interface FieldName {
  /** In lower case. */
  readonly key: string;
  /** The same with hyphens for dots and underscores, as CGI makes one variable of all of them. */
  readonly folded: string;
  /** What its line begins with: `Name: `. */
  readonly start: string;
  /** The key and a line end. */
  readonly keyLine: string;
  readonly isToken: boolean;
  /** See {@link markOf}. */
  readonly mark: number;
  /** The mark of every name that folds to the same. */
  readonly foldedMark: number;
}

/** The mark of a list that may have fields of any name. */
export const anyName = -1;

const kept = new Map<string, FieldName>();

/** The name in any case. It may be no token: then no list has a field of it. */
export function fieldName(name: string): FieldName {
  return kept.get(name) ?? keep(name);
}

/**
 * One bit of 32, from the length of a name and its first character, in either case: the marks of a list's names are the sum of
 * theirs. A list without the mark of a name has no field of that name; one with it may have.
 */
export function markOf(length: number, first: number): number {
  return 1 << ((length + 5 * (first | 0x20)) & 31);
}

function keep(name: string): FieldName {
  const key = name.toLowerCase();
  const folded = key.replace(/[._]/g, '-');
  const mark = markOf(key.length, key.charCodeAt(0));
  const made = {
    key,
    folded,
    start: `${name}: `,
    keyLine: `${key}\n`,
    isToken: isToken(name),
    mark,
    foldedMark: folded.startsWith('-') ? anyName : mark,
  };
  if (kept.size < maxKept) kept.set(name, made);
  return made;
}
