// FieldName: the name of a field as code asks for it, checked and folded once; and marks, which let a list of fields rule
// out a name without searching its lines.
import { isToken } from '../grammar/field-value.ts';

/** More names than code uses. Names beyond these, such as those that clients choose, are worked out at each use. */
const maxKept = 1024;

/** A name, with what each look-up needs. */
export interface FieldName {
  /** In lower case. */
  readonly key: string;
  /** The same with hyphens for dots and underscores, because CGI makes one variable of all of them. */
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

/** Takes a name in any case. If it is not a token, no list has a field of that name. */
export function fieldName(name: string): FieldName {
  return kept.get(name) ?? keep(name);
}

/**
 * One bit of 32, from the length of a name and its first character, in either case. The marks of a list are the bits of
 * all its names. A list without the mark of a name has no field of that name; one with it may have one.
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
