// FieldNotes: a field section and notes on the fields that control the wire, in any protocol.
import { HeaderList } from '../../request/headers.ts';
import { type FieldKind, field, fieldKind } from './field-names.ts';
import { forwardingAlias } from './grammar.ts';

const noNames: readonly string[] = [];

/** Matches a TE field that lists `trailers` (RFC 9110 section 10.1.4). */
const teTrailers = /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i;

/** Why a section is refused. */
export const malformed = -2;
export const tooMany = -3;

/**
 * The fields of a section, and notes on those that control the wire. Hop-by-hop and framing fields are noted but not listed,
 * because the wire writes its own. One instance serves many messages, one at a time.
 */
export class FieldNotes {
  headers = new HeaderList();
  /** Why it is malformed, for the log. */
  problem = '';
  /** The values of all Connection lines as received, joined by commas; '' for none. */
  connection = '';
  /** The names listed in Connection, in lower case: fields and trailers of these names are for this hop only. */
  hopNames: readonly string[] = noNames;
  contentLength: string | undefined = undefined;
  transferEncoding: string | undefined = undefined;
  host: string | undefined = undefined;
  expect: string | undefined = undefined;
  upgrade: string | undefined = undefined;
  keepAlive: string | undefined = undefined;
  maxForwards: string | undefined = undefined;
  via = '';
  hasDate = false;
  /** Whether TE lists `trailers`. */
  takesTrailers = false;
  /** Whether there was an X-Forwarded-* or Forwarded line. */
  hasForwarding = false;
  /** Why {@link take} refused a field. */
  outcome: typeof malformed | typeof tooMany = malformed;
  protected readonly maxCount: number;
  private readonly ofResponse: boolean;
  private count = 0;

  /** `message`: what the section belongs to. Fields that only control requests are plain in a response. */
  constructor(maxCount: number, message: 'request' | 'response' | 'trailers') {
    this.maxCount = maxCount;
    this.ofResponse = message === 'response';
  }

  /** Starts a section whose fields are passed to {@link take}. */
  begin(): void {
    this.reset();
    this.count = 0;
  }

  /**
   * Takes one field of a section, its name in lower case. The caller has checked the characters of name and value. Returns
   * false if it is refused: see {@link outcome}.
   */
  take(name: string, value: string): boolean {
    let hash = 0;
    for (let i = 0; i < name.length; i++) hash = (hash * 31 + (name.charCodeAt(i) | 0x20)) | 0;
    const kind = fieldKind(name, 0, name.length, hash);
    if (kind === field.plain) {
      if (mayBeAlias(name, 0) && isAlias(name)) this.hasForwarding = true;
    } else if (!this.note(kind, value)) {
      this.outcome = this.refuse(`${name} comes twice`);
      return false;
    } else if (isListed[kind] === 0) return true;
    if (++this.count > this.maxCount) {
      this.outcome = tooMany;
      return false;
    }
    this.headers.push(name, name, value);
    return true;
  }

  protected reset(): void {
    this.headers = new HeaderList();
    this.problem = '';
    this.connection = '';
    this.hopNames = noNames;
    this.contentLength = undefined;
    this.transferEncoding = undefined;
    this.host = undefined;
    this.expect = undefined;
    this.upgrade = undefined;
    this.keepAlive = undefined;
    this.maxForwards = undefined;
    this.via = '';
    this.hasDate = false;
    this.takesTrailers = false;
    this.hasForwarding = false;
  }

  /** Notes a field that controls the wire. Returns false if it may appear only once and already has. */
  protected note(kind: FieldKind, value: string): boolean {
    switch (kind) {
      case field.connection:
        this.connection = this.connection === '' ? value : `${this.connection},${value}`;
        return true;
      case field.contentLength:
        if (this.contentLength !== undefined) return false;
        this.contentLength = value;
        return true;
      case field.transferEncoding:
        if (this.transferEncoding !== undefined) return false;
        this.transferEncoding = value;
        return true;
      case field.host:
        if (this.ofResponse) return true;
        if (this.host !== undefined) return false;
        this.host = value;
        return true;
      case field.expect:
        if (this.ofResponse) return true;
        if (this.expect !== undefined) return false;
        this.expect = value;
        return true;
      case field.upgrade:
        this.upgrade = this.upgrade === undefined ? value : `${this.upgrade},${value}`;
        return true;
      case field.keepAlive:
        this.keepAlive = value;
        return true;
      case field.forwarding:
        this.hasForwarding = true;
        return true;
      case field.date:
        this.hasDate = true;
        return true;
      case field.via:
        this.via = this.via === '' ? value : `${this.via},${value}`;
        return true;
      case field.te:
        this.takesTrailers ||= teTrailers.test(value);
        return true;
      case field.maxForwards:
        if (this.ofResponse) return true;
        if (this.maxForwards !== undefined) return false;
        this.maxForwards = value;
        return true;
      default:
        return true;
    }
  }

  protected refuse(problem: string): typeof malformed {
    this.problem = problem;
    return malformed;
  }
}

/** By kind: 1 for fields that are listed, and therefore forwarded. The wire writes the others itself, or drops them. */
export const isListed = new Uint8Array(Object.keys(field).length);
for (const kind of [
  field.plain,
  field.host,
  field.expect,
  field.forwarding,
  field.date,
  field.via,
  field.maxForwards,
]) {
  isListed[kind] = 1;
}

/** Returns whether the name at `start` could be a {@link forwardingAlias}. A cheap test that rules out nearly all other names. */
export function mayBeAlias(text: string, start: number): boolean {
  const c = text.charCodeAt(start) | 0x20;
  return c === 0x66 || (c === 0x78 && (text.charCodeAt(start + 2) | 0x20) === 0x66);
}

export function isAlias(name: string): boolean {
  return forwardingAlias.test(name.toLowerCase());
}
