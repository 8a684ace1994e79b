// Lines of a terminal: pieces of text with their styles, cut to the available room.
import { printable } from '../table.ts';
import type { Style } from './columns.ts';

/** A piece of a line. */
export interface Piece {
  readonly text: string;
  readonly style?: Style | undefined;
}

/** One line of printable text. */
export type Line = readonly Piece[];

// SGR (ECMA-48, 8.3.117): bold, reverse, green, yellow, red, faint.
const codes: Readonly<Record<Style, number>> = {
  title: 1,
  heading: 7,
  good: 32,
  warning: 33,
  bad: 31,
  faint: 2,
};

/** Returns how many columns a text takes. */
export const widthOf = (text: string): number => [...text].length;

/** Returns the text of a line; `colours`: with the codes of its styles. */
export function textOf(line: Line, { colours }: { readonly colours: boolean }): string {
  return line
    .map(({ text, style }) =>
      colours && style !== undefined && text !== '' ? `\x1b[${codes[style]}m${text}\x1b[0m` : text,
    )
    .join('');
}

/** Returns the first parts that fit; the first one is cut if necessary. */
export function partsThatFit(parts: readonly Piece[], width: number): Line {
  const pieces: Piece[] = [];
  let used = 0;
  for (const { text, style } of parts) {
    const clean = printable(text);
    const gap = used === 0 ? '' : '  ';
    if (used > 0 && used + gap.length + widthOf(clean) > width) break;
    const fitting = used === 0 ? shortened(clean, width) : clean;
    pieces.push({ text: gap }, { text: fitting, style });
    used += gap.length + widthOf(fitting);
  }
  return pieces;
}

/** Shortens a text to at most `width` columns, in the middle, because its ends say more. */
export function shortened(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) return text;
  if (width <= 1) return width === 1 ? '…' : '';
  const tail = Math.floor((width - 1) * 0.6);
  const head = width - 1 - tail;
  return `${characters.slice(0, head).join('')}…${characters.slice(characters.length - tail).join('')}`;
}

/** Wraps a text into lines of at most `width` columns; a longer word is shortened. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of printable(text).split(/ +/)) {
    const last = lines.at(-1);
    if (last !== undefined && widthOf(last) + 1 + widthOf(word) <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(shortened(word, width));
  }
  return lines;
}
