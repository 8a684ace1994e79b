// The mark in the URLs of a config's modules that distinguishes one reading from the next. People never see it.

const mark = /[?&]weldr-reading=\d+/g;

/** Removes the marks from a text, such as a stack with URLs of modules. */
export function withoutMarks(text: string): string {
  return text.includes('weldr-reading=') ? text.replace(mark, '') : text;
}
