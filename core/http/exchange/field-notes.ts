// FieldNotes: a field section, with notes of the fields that steer the wire, whatever protocol brings it.
import { HeaderList } from '../../request/headers.ts';
import { type FieldKind, field, fieldKind } from './field-names.ts';
import { forwardingAlias } from './grammar.ts';

const noNames: readonly string[] = [];

/** `trailers` in TE (RFC 9110 section 10.1.4). */
const teTrailers = /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i;

/** Why a section is refused. */
export const malformed = -2;
export const tooMany = -3;

/**
 * The fields of a section, and notes of those that steer the wire. Hop-by-hop and framing fields are noted, not listed: the
 * wire writes its own. One serves all messages of a process, one at a time.
 */
export class FieldNotes {
  headers = new HeaderList();
  /** Why it is malformed, for the log. */
  problem = '';
  /** Values of all Connection lines, comma-joined, as sent; '' for none. */
  connection = '';
  /** Names that Connection lists, in lower case: fields and trailers of these names concern this hop only. */
  hopNames: readonly string[] = noNames;
  /** Value of Content-Length; undefined for none. */
  contentLength: string | undefined = undefined;
  transferEncoding: string | undefined = undefined;
  host: string | undefined = undefined;
  expect: string | undefined = undefined;
  upgrade: string | undefined = undefined;
  keepAlive: string | undefined = undefined;
  maxForwards: string | undefined = undefined;
  via = '';
  hasDate = false;
  /** Does TE list `trailers`? */
  takesTrailers = false;
  /** Did an X-Forwarded-* or Forwarded line come? */
  hasForwarding = false;
  /** Why {@link take} did not take a field. */
  outcome: typeof malformed | typeof tooMany = malformed;
  protected readonly maxCount: number;
  private readonly ofResponse: boolean;
  private count = 0;

  /** `message`: what the section belongs to; fields that steer requests only are plain ones in a response. */
  constructor(maxCount: number, message: 'request' | 'response' | 'trailers') {
    this.maxCount = maxCount;
    this.ofResponse = message === 'response';
  }

  /** Begins a section whose fields come one by one. */
  begin(): void {
    this.reset();
    this.count = 0;
  }

  /**
   * Takes one field of a section; the name is in lower case, and both are free of characters that no field has. False:
   * `malformed` or `tooMany`, see {@link outcome}.
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

  /** Takes a field that steers the wire; false: it may come only once, and has come before. */
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

/** By kind: 1 for fields that are listed, and so forwarded; the wire writes the others itself, or drops them. */
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

/** Could the name that begins here be a {@link forwardingAlias}? Spares nearly all others a closer look. */
export function mayBeAlias(text: string, start: number): boolean {
  const c = text.charCodeAt(start) | 0x20;
  return c === 0x66 || (c === 0x78 && (text.charCodeAt(start + 2) | 0x20) === 0x66);
}

export function isAlias(name: string): boolean {
  return forwardingAlias.test(name.toLowerCase());
}
