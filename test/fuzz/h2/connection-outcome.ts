// What a server of HTTP/2 made of the bytes of one client: what it saw, what it reset, how it ended.
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

/** All that can be told of one connection. */
export interface ConnectionOutcome {
  /** The error that the server ended it with; '' while it stands. */
  died: string;
  /** The piece of the client's bytes behind which it did; -1 while it stands. */
  diedAt: number;
  readonly requests: Map<number, SeenRequest>;
  /** Streams that the server reset, and the error of each. */
  readonly resets: Map<number, string>;
}

/** One without anything. */
export function emptyOutcome(): ConnectionOutcome {
  return { died: '', diedAt: -1, requests: new Map(), resets: new Map() };
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

const rstStream = 3;
const goAway = 7;

/** Notes what the server's own frames say, which `bytes` are; a frame that was cut is not read. */
export function readFrames(bytes: Buffer, outcome: ConnectionOutcome): void {
  for (let at = 0; at + 9 <= bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) return;
    const type = bytes[at + 3];
    if (type === rstStream) {
      const id = bytes.readUInt32BE(at + 5);
      if (!outcome.resets.has(id)) outcome.resets.set(id, errorName(bytes.readUInt32BE(at + 9)));
    } else if (type === goAway) {
      const code = bytes.readUInt32BE(at + 13);
      if (code !== 0 && outcome.died === '') outcome.died = errorName(code);
    }
    at = end;
  }
}
