// Escaping: texts of strangers in a form that stays within its place and its line, whatever reads the log.

/** Nothing in it needs an escape, in JSON or between quotes. */
const plain = /^[ !#-[\]-~]*$/;
/** Those that end a text or a line, steer a terminal, or turn the direction of what is shown; halves of characters. */
const harmful = /["\\\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/gu;
const unquotable = /[^ !#-[\]-~]/g;

/** As a string of JSON, quotes included. */
export function jsonText(text: string): string {
  return plain.test(text) ? `"${text}"` : `"${text.replace(harmful, escapeInJson)}"`;
}

/** As Apache and nginx write a value between quotes: a quote as `\"`, whatever is not ASCII as `\xHH`. */
export function quotedText(text: string): string {
  return plain.test(text) ? text : text.replace(unquotable, escapeInQuotes);
}

function escapeInJson(char: string): string {
  if (char === '"' || char === '\\') return `\\${char}`;
  return `\\u${hexOf(char).padStart(4, '0')}`;
}

function escapeInQuotes(char: string): string {
  if (char === '"' || char === '\\') return `\\${char}`;
  const hex = hexOf(char);
  return hex.length > 2 ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`;
}

function hexOf(char: string): string {
  return char.charCodeAt(0).toString(16);
}
