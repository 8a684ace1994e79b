// Excerpt: a place in a file with its line, for an error message.

/** A place in a file: line and column from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column?: number | undefined;
  /** The text of the line, if known. */
  readonly source?: string | undefined;
}

/** The most characters of a line to show; minified code is one line. */
const maxWidth = 120;

/** Formats a place, such as `weldr.config.ts:3:12`. */
export function placeText({ file, line, column }: Place): string {
  return column === undefined ? `${file}:${line}` : `${file}:${line}:${column}`;
}

/** Returns a message with its place before it, and the line with a mark under the column below it. */
export function withExcerpt(place: Place, message: string): string {
  const said = `${placeText(place)}: ${message}`;
  const { source, column } = place;
  if (source === undefined || column === undefined || source.trim() === '') return said;
  const from = Math.max(0, column - 1 - maxWidth / 2);
  // Unprintable characters could be control sequences of a terminal.
  const shown = source
    .slice(from, from + maxWidth)
    .replaceAll('\t', ' ')
    .replaceAll(/\p{C}|\ufffd/gu, '?');
  return `${said}\n    ${shown.trimEnd()}\n    ${' '.repeat(column - 1 - from)}^`;
}

/** Returns the place of the character at an index of a text. */
export function placeAt(file: string, text: string, index: number): Place {
  const before = text.slice(0, index).split('\n');
  const line = before.length;
  const column = (before.at(-1)?.length ?? 0) + 1;
  return { file, line, column, source: text.split('\n')[line - 1]?.replace(/\r$/, '') };
}
