// RequestBlock: the field section of an HTTP/2 request (RFC 9113 section 8), read as strictly as an HTTP/1.1 head.
import type { ErrorCode } from '../../errors.ts';
import { isAuthority, targetEnd } from '../../grammar/request-line.ts';
import type { HeaderList } from '../../request/headers.ts';
import { FieldNotes, malformed } from '../exchange/field-notes.ts';
import { SP, TAB, tokenChar, valueChar } from '../exchange/grammar.ts';
import { isGrpcType } from '../exchange/grpc-request.ts';
import type { HeadLimits } from '../exchange/head-limits.ts';
import type { InboundRequest } from '../exchange/streams.ts';
import type { FieldReceiver } from './hpack-decoder.ts';

/** The outcome of a block: a request, one to refuse with a response, or a stream to reset. */
export type BlockOutcome = 'request' | 'refused' | 'malformed';

/** Connection-specific fields, which HTTP/2 messages must not have (RFC 9113 section 8.2.2). */
export const connectionFields: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

const maxMethod = 32;
/** A content-length that is exact as a number. */
export const lengthDigits = /^\d{1,15}$/;

/** Reads one block at a time. Its fields hold the last complete one. */
export class RequestBlock implements FieldReceiver, InboundRequest {
  method = '';
  target = '';
  host = '';
  length = 0;
  expectContinue = false;
  /** Also set for a refused request. */
  isGrpc = false;
  readonly version = '2.0';
  readonly form = 'payload';
  readonly upgrade = undefined;
  /** Why it was refused or is malformed. */
  code: ErrorCode = 'BAD_REQUEST';
  detail = '';
  private readonly fields: FieldNotes;
  private readonly limits: HeadLimits;
  private scheme: string | undefined;
  private path: string | undefined;
  private authority: string | undefined;
  private verb: string | undefined;
  private ownHost: string | undefined;
  private cookie = '';
  private bytes = 0;
  private isTooLarge = false;
  private hasRegular = false;
  private isMalformed = false;

  constructor(limits: HeadLimits) {
    this.limits = limits;
    this.fields = new FieldNotes(limits.headerCount, 'request');
  }

  get headers(): HeaderList {
    return this.fields.headers;
  }

  get via(): string {
    return this.fields.via;
  }

  get maxForwards(): string | undefined {
    return this.fields.maxForwards;
  }

  get takesTrailers(): boolean {
    return this.fields.takesTrailers;
  }

  get hasForwarding(): boolean {
    return this.fields.hasForwarding;
  }

  begin(): void {
    this.scheme = undefined;
    this.path = undefined;
    this.authority = undefined;
    this.verb = undefined;
    this.ownHost = undefined;
    this.cookie = '';
    this.bytes = 0;
    this.fields.begin();
    this.isTooLarge = false;
    this.hasRegular = false;
    this.isMalformed = false;
    this.isGrpc = false;
    this.detail = '';
  }

  onField(name: string, value: string): void {
    // The rest is decoded only for the table, and to know whether the refusal must take gRPC's form.
    if (this.isTooLarge || this.isMalformed) {
      if (name === 'content-type') this.isGrpc = isGrpcType(value);
      return;
    }
    if (name.charCodeAt(0) === 0x3a) {
      this.pseudo(name, value);
      return;
    }
    this.bytes += name.length + value.length + 4;
    this.isTooLarge = this.bytes > this.limits.headers;
    if (this.isTooLarge) this.hasRegular = true;
    else if (!isFieldName(name)) this.spoil(`an invalid field name: ${JSON.stringify(name.slice(0, 40))}`);
    else if (!isFieldValue(value)) this.spoil(`an invalid character in the value of ${name}`);
    else if (connectionFields.has(name)) this.spoil(`${name}, which is connection-specific`);
    else this.regular(name, value);
  }

  onNeverIndexed(name: string): void {
    if (this.isTooLarge || this.isMalformed) return;
    this.headers.keepFromTables(name === 'host' ? ':authority' : name);
  }

  private pseudo(name: string, value: string): void {
    if (this.hasRegular) {
      this.spoil(`${name.slice(0, 40)} after other fields`);
    } else if (name === ':method' && this.verb === undefined) this.verb = value;
    else if (name === ':path' && this.path === undefined) this.path = value;
    else if (name === ':scheme' && this.scheme === undefined) this.scheme = value;
    else if (name === ':authority' && this.authority === undefined) this.authority = value;
    else this.spoil(`${name.slice(0, 40)}, which is unknown or comes twice`);
  }

  private regular(name: string, value: string): void {
    this.hasRegular = true;
    if (name === 'te' && value.toLowerCase() !== 'trailers') {
      this.spoil('te with more than trailers');
    } else if (name === 'host') {
      if (this.ownHost !== undefined) this.spoil('host comes twice');
      this.ownHost = value;
    } else if (name === 'cookie') {
      // Clients may split this field (RFC 9113 section 8.2.3).
      this.cookie = this.cookie === '' ? value : `${this.cookie}; ${value}`;
    } else {
      if (name === 'content-type') this.isGrpc = isGrpcType(value);
      if (this.fields.take(name, value)) return;
      if (this.fields.outcome === malformed) this.spoil(this.fields.problem);
      else this.isTooLarge = true;
    }
  }

  /** Checks the block as a whole; `ends`: whether a body follows. */
  end(ends: 'with the block' | 'later'): BlockOutcome {
    if (this.isMalformed) return 'malformed';
    if (!this.interpretTarget()) return 'malformed';
    if (this.isTooLarge) return this.refuse('HEADERS_TOO_LARGE');
    if (this.method.length + this.target.length + 1 > this.limits.requestLine)
      return this.refuse('TARGET_TOO_LONG');
    if (this.cookie !== '' && !this.fields.take('cookie', this.cookie))
      return this.refuse('HEADERS_TOO_LARGE');
    this.fields.headers.push('host', 'host', this.host);
    if (this.method === 'TRACE') return this.refuse('METHOD_NOT_ALLOWED');
    if (this.method === 'CONNECT') return this.refuse('METHOD_NOT_ALLOWED');
    return this.interpretLength(ends) ? this.interpretExpect() : 'malformed';
  }

  private interpretTarget(): boolean {
    const { verb, path, scheme, authority, ownHost } = this;
    if (verb === undefined || !isToken(verb) || verb.length > maxMethod)
      return this.fail('no :method, or a malformed one');
    this.method = verb;
    const host = authority ?? ownHost ?? '';
    this.host = host.replace(/:$/, '');
    if (verb === 'CONNECT') {
      this.target = host;
      return scheme === undefined && path === undefined && isAuthority(host)
        ? true
        : this.fail('a malformed CONNECT');
    }
    if (scheme !== 'http' && scheme !== 'https') return this.fail('no :scheme, or an unsupported one');
    if (!isAuthority(host)) return this.fail('no :authority, or an invalid one');
    // Two readers could disagree on the host.
    if (
      authority !== undefined &&
      ownHost !== undefined &&
      authority.toLowerCase() !== ownHost.toLowerCase()
    ) {
      return this.fail(':authority and host differ');
    }
    if (path === undefined || !isTarget(path, verb)) return this.fail('no :path, or a malformed one');
    this.target = path;
    return true;
  }

  private interpretLength(ends: 'with the block' | 'later'): boolean {
    const { contentLength } = this.fields;
    const isOver = ends === 'with the block';
    if (contentLength === undefined) {
      this.length = isOver ? 0 : -1;
      return true;
    }
    if (!lengthDigits.test(contentLength)) return this.fail('a malformed content-length');
    this.length = Number(contentLength);
    return isOver && this.length > 0 ? this.fail('a content-length without a body') : true;
  }

  private interpretExpect(): BlockOutcome {
    const { expect, headers } = this.fields;
    this.expectContinue = false;
    if (expect === undefined) return 'request';
    if (expect.toLowerCase() !== '100-continue') return this.refuse('EXPECTATION_FAILED');
    if (this.length === 0) headers.delete('expect');
    else this.expectContinue = true;
    return 'request';
  }

  private spoil(detail: string): void {
    this.isMalformed = true;
    this.detail = detail;
  }

  private fail(detail: string): false {
    this.detail = detail;
    return false;
  }

  private refuse(code: ErrorCode): 'refused' {
    this.code = code;
    this.detail = '';
    return 'refused';
  }
}

/** Returns whether it is a token in lower case (RFC 9113 section 8.2.1). */
export function isFieldName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (tokenChar[c] !== 1 || (c >= 0x41 && c <= 0x5a)) return false;
  }
  return name.length > 0;
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (tokenChar[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

/**
 * Returns whether the value is free of line ends, NUL and outer blanks (RFC 9113 section 8.2.1), and of all that HTTP/1.1
 * forbids.
 */
export function isFieldValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (valueChar[value.charCodeAt(i)] !== 1) return false;
  return value === '' || !(isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1)));
}

const isBlank = (c: number): boolean => c === SP || c === TAB;

function isTarget(path: string, method: string): boolean {
  if (path === '*') return method === 'OPTIONS';
  return path.charCodeAt(0) === 0x2f && targetEnd(path, 0) === path.length;
}
