// What a server of HTTP/2 made of the bytes of one client, piece by piece: what it saw, what it reset, how it ended.
import { errorName } from '../../../core/http/h2/frames.ts';

/** One request, as the server's program saw it. */
export interface SeenRequest {
  /** Its fields without their order, a line each. */
  readonly head: string;
  /** Bytes of its body that came. */
  body: number;
  /** Did it come whole? */
  complete: boolean;
}

/** What the pieces of a client have led to so far. */
export interface ConnectionOutcome {
  /** The error that the server ended it with; '' while it stands. */
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

/** All that happened on one connection, by the piece of the client's bytes that led to it. */
export class ConnectionHistory {
  /** The piece that is being read. */
  piece = 0;
  /** The error that the server ended it with, and the piece behind which it did; '' and -1 while it stands. */
  died = '';
  diedAt = -1;
  private readonly happenings: Happening[] = [];
  /** Bytes of a frame of the server that is not whole yet. */
  private rest: Buffer = Buffer.alloc(0);

  /** A request came with the piece that is being read. */
  request(stream: number, head: string): void {
    this.happenings.push({ at: this.piece, stream, what: 'request', head });
  }

  body(stream: number, bytes: number): void {
    this.happenings.push({ at: this.piece, stream, what: 'body', bytes });
  }

  /** The request is whole. */
  end(stream: number): void {
    this.happenings.push({ at: this.piece, stream, what: 'end' });
  }

  reset(stream: number, error: string): void {
    this.happenings.push({ at: this.piece, stream, what: 'reset', error });
  }

  /** Notes what frames of the server say. */
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

  /** What stood before this piece was read; without one: in the end. */
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

/** What is compared of a head: what Weldr keeps of the fields that it passes on, in no order. */
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
