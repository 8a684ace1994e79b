// Follows a stream of events of the admin API as a page does, over a separate connection.
import { type IncomingMessage, request } from 'node:http';
import { until } from '../../support/until.ts';

/** One received message. */
export interface Message {
  readonly id?: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** An open stream. */
export interface Followed {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly messages: readonly Message[];
  /** All received messages. */
  readonly text: string;
  readonly ended: boolean;
  /** Resolves with the first message that passes. */
  message(passes: (message: Message) => boolean): Promise<Message>;
  /** Stops reading, or reads again. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** Opens a stream; resolves when its head has arrived. */
export async function follow(
  address: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Followed> {
  const got = Promise.withResolvers<IncomingMessage>();
  const { hostname, port } = new URL(`http://${address}`);
  const sent = request({
    host: hostname,
    port,
    path,
    agent: false,
    headers: { accept: 'text/event-stream', ...headers },
  });
  sent.on('response', got.resolve);
  sent.on('error', got.reject);
  sent.end();
  const response = await got.promise;
  const messages: Message[] = [];
  let [text, rest, ended] = ['', '', false];
  response.setEncoding('utf8');
  response.on('data', (piece: string) => {
    text += piece;
    rest += piece;
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const message = messageOf(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (message !== undefined) messages.push(message);
    }
  });
  response.on('error', () => {});
  response.on('close', () => {
    ended = true;
  });
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    messages,
    get text() {
      return text;
    },
    get ended() {
      return ended;
    },
    async message(passes) {
      await until('a message comes', () => messages.some(passes));
      const found = messages.find(passes);
      if (found === undefined) throw new Error('it went');
      return found;
    },
    pause: () => void response.pause(),
    resume: () => void response.resume(),
    close: () => void response.destroy(),
  };
}

function messageOf(block: string): Message | undefined {
  const fields = new Map(
    block.split('\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  const [id, event = 'message', data] = [fields.get('id'), fields.get('event'), fields.get('data')];
  if (data === undefined) return undefined;
  return { ...(id !== undefined && { id }), event, data: JSON.parse(data) };
}
