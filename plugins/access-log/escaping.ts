// Escaping: keeps text from clients within its value and its line, whatever reads the log.

/** Text that needs no escape, in JSON or between quotes. */
const plain = /^[ !#-[\]-~]*$/;
/** Characters that end a text or a line, control a terminal or change the direction of text; lone surrogates. */
const harmful = /["\\\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/gu;
const unquotable = /[^ !#-[\]-~]/g;

/** Returns a JSON string, quotes included. */
export function jsonText(text: string): string {
  return plain.test(text) ? `"${text}"` : `"${text.replace(harmful, escapeInJson)}"`;
}

/** Escapes a value as Apache and nginx do between quotes: a quote as `\"`, characters other than printable ASCII as `\xHH`. */
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
