// The mark that tells one reading of a config's modules from the next in their URLs. People never see it.

const mark = /[?&]weldr-reading=\d+/g;

/** Takes the marks of readings out of a text, such as a message or a stack with the URL of a module. */
export function withoutMarks(text: string): string {
  return text.includes('weldr-reading=') ? text.replace(mark, '') : text;
}
