// Finds where a text stops being JSON, for messages.

/**
 * The position where a text stops being JSON: what comes before may begin a valid one. V8 does not report it for all
 * faults.
 */
export function jsonFaultAt(text: string): number {
  let good = 0;
  let bad = text.length + 1;
  while (bad - good > 1) {
    const length = Math.floor((good + bad) / 2);
    if (mayBegin(text.slice(0, length))) good = length;
    else bad = length;
  }
  return good;
}

/** Returns whether a text is JSON, or the beginning of it. */
function mayBegin(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : '';
    return message === 'Unexpected end of JSON input' || message.includes(`at position ${text.length} `);
  }
}
