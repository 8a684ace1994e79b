// JournalLine: a JSON array of a checksum and a record, so that damage is detected.
import { crc32 } from 'node:zlib';

/** Returns a line with its checksum: `["1c291ca3",{"op":"reset"}]` and a line feed; the CRC-32 of the record's text, in hex. */
export function encodeLine(record: unknown): string {
  const text = JSON.stringify(record);
  return `["${checksum(text)}",${text}]\n`;
}

/** Returns the record of a line (without its line feed); undefined when the line is damaged. */
export function decodeLine(line: string): unknown {
  const match = /^\["([0-9a-f]{8})",(.+)\]$/.exec(line);
  const text = match?.[2];
  if (text === undefined || match?.[1] !== checksum(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
