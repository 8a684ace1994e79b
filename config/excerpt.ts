// Excerpt: a place in a file and the line there, for the message about what is wrong with it.

/** A place in a file: line and column from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column?: number | undefined;
  /** The line itself, as far as it is known. */
  readonly source?: string | undefined;
}

/** Of a line that is shown, characters; minified code is one line. */
const maxWidth = 120;

/** `weldr.config.ts:3:12`. */
export function placeText({ file, line, column }: Place): string {
  return column === undefined ? `${file}:${line}` : `${file}:${line}:${column}`;
}

/** A message with its place before it, and below it the line with a mark under the column. */
export function withExcerpt(place: Place, message: string): string {
  const said = `${placeText(place)}: ${message}`;
  const { source, column } = place;
  if (source === undefined || column === undefined || source.trim() === '') return said;
  const from = Math.max(0, column - 1 - maxWidth / 2);
  // What cannot be printed may be anything, a terminal's commands too.
  const shown = source
    .slice(from, from + maxWidth)
    .replaceAll('\t', ' ')
    .replaceAll(/\p{C}|\ufffd/gu, '?');
  return `${said}\n    ${shown.trimEnd()}\n    ${' '.repeat(column - 1 - from)}^`;
}

/** The place of the character at an index of a text. */
export function placeAt(file: string, text: string, index: number): Place {
  const before = text.slice(0, index).split('\n');
  const line = before.length;
  const column = (before.at(-1)?.length ?? 0) + 1;
  return { file, line, column, source: text.split('\n')[line - 1]?.replace(/\r$/, '') };
}
