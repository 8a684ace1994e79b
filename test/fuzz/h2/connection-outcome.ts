// How an HTTP/2 server read the bytes of one client, piece by piece: requests, resets, and the end of the connection.
import { errorName } from '../../../core/http/h2/frames.ts';

/** One request, as the server's application received it. */
export interface SeenRequest {
  /** Its fields in sorted order, a line each. */
  readonly head: string;
  /** Bytes of its body so far. */
  body: number;
  /** Whether it is complete. */
  complete: boolean;
}

/** The result of a client's pieces so far. */
export interface ConnectionOutcome {
  /** The error with which the server ended the connection; '' while it is open. */
  readonly died: string;
  readonly requests: ReadonlyMap<number, SeenRequest>;
  /** Streams that the server reset, and the error of each. */
  readonly resets: ReadonlyMap<number, string>;
}

const rstStream = 3;
const goAway = 7;

type Happening = { readonly at: number; readonly stream: number } & (
  | { readonly what: 'request'; readonly head: string }
  | { readonly what: 'body'; readonly bytes: number }
  | { readonly what: 'end' }
  | { readonly what: 'reset'; readonly error: string }
);

/** Everything that happened on one connection, by the piece of the client's bytes that caused it. */
export class ConnectionHistory {
  /** The piece that is being read. */
  piece = 0;
  /** The error with which the server ended the connection, and the piece that caused it; '' and -1 while it is open. */
  died = '';
  diedAt = -1;
  private readonly happenings: Happening[] = [];
  /** Bytes of an incomplete frame of the server. */
  private rest: Buffer = Buffer.alloc(0);

  /** A request was received with the current piece. */
  request(stream: number, head: string): void {
    this.happenings.push({ at: this.piece, stream, what: 'request', head });
  }

  body(stream: number, bytes: number): void {
    this.happenings.push({ at: this.piece, stream, what: 'body', bytes });
  }

  /** The request is complete. */
  end(stream: number): void {
    this.happenings.push({ at: this.piece, stream, what: 'end' });
  }

  reset(stream: number, error: string): void {
    this.happenings.push({ at: this.piece, stream, what: 'reset', error });
  }

  /** Records resets and the end of the connection from the server's frames. */
  readFrames(written: readonly Buffer[]): void {
    if (written.length === 0) return;
    const bytes = Buffer.concat([this.rest, ...written]);
    let at = 0;
    for (let end = 0; at + 9 <= bytes.length; at = end) {
      end = at + 9 + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const type = bytes[at + 3];
      if (type === rstStream) this.reset(bytes.readUInt32BE(at + 5), errorName(bytes.readUInt32BE(at + 9)));
      else if (type === goAway) {
        const code = bytes.readUInt32BE(at + 13);
        if (code !== 0 && this.died === '') this.died = errorName(code);
      }
    }
    this.rest = bytes.subarray(at);
  }

  /** Returns the state before this piece was read; by default the final one. */
  before(piece = Number.POSITIVE_INFINITY): ConnectionOutcome {
    const requests = new Map<number, SeenRequest>();
    const resets = new Map<number, string>();
    for (const happening of this.happenings) {
      const { at, stream } = happening;
      if (at >= piece) break;
      const request = requests.get(stream);
      if (happening.what === 'request')
        requests.set(stream, { head: happening.head, body: 0, complete: false });
      else if (happening.what === 'reset') resets.set(stream, resets.get(stream) ?? happening.error);
      else if (request !== undefined && happening.what === 'body') request.body += happening.bytes;
      else if (request !== undefined) request.complete = true;
    }
    return { died: this.died, requests, resets };
  }
}

/** Returns the comparable part of a head: the fields that Weldr passes on, sorted. */
export function headOf(fields: readonly (readonly [name: string, value: string])[]): string {
  const cookies = fields.filter(([name]) => name === 'cookie').map(([, value]) => value);
  const authority = fields.find(([name]) => name === ':authority')?.[1];
  const kept = fields.filter(
    ([name, value]) => !left.has(name) && !(name === 'host' && authority !== undefined && value !== ''),
  );
  const lines = kept.map(([name, value]) => `${name}: ${value}`);
  if (authority !== undefined) lines.push(`host: ${authority}`);
  if (cookies.length > 0) lines.push(`cookie: ${cookies.join('; ')}`);
  return lines.sort().join('\n');
}

/** Fields that Weldr reads and does not keep. */
const left: ReadonlySet<string> = new Set([
  ':authority',
  ':scheme',
  'te',
  'content-length',
  'cookie',
  'expect',
  'trailer',
]);
