// Header lines of the command line: -H 'X-Beta: 1'.
import { usageError } from './command-error.ts';

/** Returns the values by name. Throws a usage error for an invalid line. */
export function headersOf(lines: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const headers: Record<string, string[]> = {};
  for (const line of lines) {
    const [, name, value = ''] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined) throw usageError(`--header: expected a line such as "X-Beta: 1", got ${line}`);
    headers[name] = [...(headers[name] ?? []), value];
  }
  return headers;
}
