// Stream reading: parses Server-Sent Events (HTML standard) in an answer of the admin API.
import { CommandError } from './command-error.ts';

/** One message of a stream. */
export interface ReadMessage {
  /** The id to resume from; undefined: unchanged. */
  readonly id: string | undefined;
  /** Its name; `message` by default. */
  readonly event: string;
  readonly data: string;
}

/** The longest message, characters: enough for an overview of thousands of pools. */
const maxMessage = 16 * 1024 * 1024;

/** Parses the messages of a text that comes in pieces; lines end with LF, as Weldr writes them. */
export async function* readMessages(pieces: AsyncIterable<string>): AsyncGenerator<ReadMessage, void> {
  let rest = '';
  for await (const piece of pieces) {
    rest += piece;
    if (rest.length > maxMessage) throw new CommandError('a message of the admin API is over 16 MB');
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const message = messageOf(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (message !== undefined) yield message;
    }
  }
}

/** Parses a block. Returns undefined for a comment or an empty block. */
function messageOf(block: string): ReadMessage | undefined {
  let id: string | undefined;
  let event = 'message';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const [, name, value = ''] = /^([^:]+)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === 'id') id = value;
    else if (name === 'event') event = value;
    else if (name === 'data') data.push(value);
  }
  return data.length === 0 ? undefined : { id, event, data: data.join('\n') };
}
