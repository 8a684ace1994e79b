// RequestHead: a strict reader of request heads (RFC 9112 sections 3 and 5), which refuses whatever is ambiguous.

import type { ErrorCode } from '../../errors.ts';
import { isAuthority, targetEnd } from '../../grammar/request-line.ts';
import { protocolName } from '../../grammar/token.ts';
import type { HeaderList } from '../../request/headers.ts';
import { beginsTls, CR, LF, SP, tokenChar } from '../exchange/grammar.ts';
import type { HeadLimits } from '../exchange/head-limits.ts';
import type { BodyForm, InboundRequest } from '../exchange/streams.ts';
import { splitAbsolute } from '../exchange/target.ts';
import { FieldReader, incomplete, malformed, tooMany } from './fields.ts';
import { bodyLength, chunked, connectionOptions, dropNamedFields, listElements } from './message-framing.ts';

/** What {@link RequestHead.read} returns other than an index. */
export const needMore = -1;
export const refused = -2;

const maxMethod = 32;

/** Reads request heads, one at a time. Its fields hold the last complete one. */
export class RequestHead implements InboundRequest {
  method = '';
  /** Origin-form, or `*`. */
  target = '';
  minor = 1;
  /** Bytes of the body, or `chunked`; 0 if there is none. */
  length = 0;
  /** Whether the connection may serve another request after this one. */
  keepAlive = true;
  /** The protocols that the client asks to switch to, if the request for it is valid. */
  upgrade: string | undefined = undefined;
  expectContinue = false;
  host = '';
  readonly fields: FieldReader;
  /** Why the head was refused. */
  code: ErrorCode = 'BAD_REQUEST';
  detail = '';
  private readonly limits: HeadLimits;
  /** The last valid Host: most requests on a connection, and many of a worker, name the same one. */
  private checkedHost: string | undefined = undefined;

  constructor(limits: HeadLimits) {
    this.limits = limits;
    this.fields = new FieldReader(limits.headerCount, 'request');
  }

  get version(): '1.0' | '1.1' {
    return this.minor === 0 ? '1.0' : '1.1';
  }

  get headers(): HeaderList {
    return this.fields.headers;
  }

  get form(): BodyForm {
    return this.length === chunked ? 'chunks' : 'payload';
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

  /** Reads the head at `text[start]`. Returns the index after it, `needMore` or `refused`. */
  read(text: string, start: number): number {
    const lineEnd = this.readRequestLine(text, start);
    if (lineEnd < 0) return lineEnd;
    const { fields, limits } = this;
    const end = fields.read(text, lineEnd);
    if (end === incomplete) {
      if (text.length - lineEnd > limits.headers) return this.refuse('HEADERS_TOO_LARGE');
      return needMore;
    }
    if (end === malformed) return this.refuse('BAD_REQUEST', fields.problem);
    if (end === tooMany || end - lineEnd > limits.headers) return this.refuse('HEADERS_TOO_LARGE');
    return this.interpret() ? end : refused;
  }

  private refuse(code: ErrorCode, detail = ''): typeof refused {
    this.code = code;
    this.detail = detail;
    return refused;
  }

  private fail(code: ErrorCode, detail = ''): false {
    this.refuse(code, detail);
    return false;
  }

  private readRequestLine(text: string, start: number): number {
    const end = text.length;
    const limit = start + this.limits.requestLine;
    let pos = start;
    while (tokenChar[text.charCodeAt(pos)] === 1) pos++;
    if (pos - start > maxMethod) return this.refuse('BAD_REQUEST', 'a method over 32 characters');
    if (pos >= end) return needMore;
    if (text.charCodeAt(pos) !== SP || pos === start)
      return this.refuse('BAD_REQUEST', whyNoMethod(text, start));
    const methodEnd = pos;
    const targetStart = ++pos;
    pos = targetEnd(text, targetStart);
    if (pos > limit) return this.refuse('TARGET_TOO_LONG');
    if (pos >= end) return needMore;
    if (text.charCodeAt(pos) !== SP || pos === targetStart)
      return this.refuse('BAD_REQUEST', 'a malformed target');
    const stop = pos++;
    // The version and the line ending: "HTTP/1.1" CRLF, ten characters.
    if (end - pos < 10) {
      const rest = text.slice(pos);
      if ('HTTP/1.1\r\n'.startsWith(rest) || 'HTTP/1.0\r\n'.startsWith(rest)) return needMore;
    }
    const version = text.slice(pos, pos + 8);
    if (version === 'HTTP/1.1') this.minor = 1;
    else if (version === 'HTTP/1.0') this.minor = 0;
    else if (/^HTTP\/\d\.\d$/.test(version)) return this.refuse('VERSION_UNSUPPORTED');
    else return this.refuse('BAD_REQUEST', 'a malformed HTTP version');
    if (text.charCodeAt(pos + 8) !== CR || text.charCodeAt(pos + 9) !== LF) {
      return this.refuse('BAD_REQUEST', 'a malformed request line');
    }
    this.method = text.slice(start, methodEnd);
    this.target = text.slice(targetStart, stop);
    return pos + 10;
  }

  /** Checks the head as a whole. Returns false if it is refused. */
  private interpret(): boolean {
    const { fields, minor } = this;
    const length = bodyLength(fields, minor, 0);
    if (typeof length !== 'number') {
      return this.fail(length.unsupported ? 'TRANSFER_CODING' : 'BAD_REQUEST', length.detail);
    }
    this.length = length;
    this.keepAlive = minor === 1;
    this.upgrade = undefined;
    if (fields.connection !== '' && !this.interpretConnection(fields.connection)) return false;
    this.expectContinue = false;
    if (fields.expect !== undefined && !this.interpretExpect(fields.expect)) return false;
    return this.interpretTarget();
  }

  private interpretConnection(value: string): boolean {
    const { fields, minor } = this;
    if (value === 'keep-alive' || value === 'Keep-Alive') {
      this.keepAlive = true;
      return true;
    }
    const options = connectionOptions(value);
    if (options === undefined) return this.fail('BAD_REQUEST', 'a malformed Connection field');
    if (options.includes('close')) this.keepAlive = false;
    else if (options.includes('keep-alive')) this.keepAlive = true;
    if (minor === 1 && fields.upgrade !== undefined && options.includes('upgrade')) {
      this.upgrade = offeredProtocols(fields.upgrade);
    }
    dropNamedFields(fields, options);
    return true;
  }

  private interpretExpect(value: string): boolean {
    const { fields, minor } = this;
    // Ignored from HTTP/1.0 clients, and if there is no body (RFC 9110 section 10.1.1).
    if (minor === 0) {
      fields.headers.delete('expect');
      return true;
    }
    if (value.toLowerCase() !== '100-continue') return this.fail('EXPECTATION_FAILED');
    if (this.length === 0) fields.headers.delete('expect');
    else this.expectContinue = true;
    return true;
  }

  private interpretTarget(): boolean {
    const { fields, method, target } = this;
    const { host } = fields;
    if (host === undefined ? this.minor === 1 : !this.checkHost(host)) {
      return this.fail('BAD_REQUEST', host === undefined ? 'no Host' : 'an invalid Host');
    }
    this.host = host ?? '';
    if (method === 'CONNECT') return this.fail('METHOD_NOT_ALLOWED');
    if (target.charCodeAt(0) === 0x2f) return true;
    if (target === '*')
      return method === 'OPTIONS' || this.fail('BAD_REQUEST', 'the target * is only for OPTIONS');
    const absolute = splitAbsolute(target);
    if (absolute === undefined || !isAuthority(absolute.authority)) {
      return this.fail('BAD_REQUEST', 'a target in an unsupported form');
    }
    // RFC 9112 section 3.2.2: the target's authority replaces the Host field.
    // An empty port counts as none (RFC 9110 section 4.2.3).
    this.host = absolute.authority.replace(/:$/, '');
    fields.headers.set('Host', this.host);
    this.target = absolute.rest === '' ? (method === 'OPTIONS' ? '*' : '/') : absolute.rest;
    return true;
  }

  private checkHost(host: string): boolean {
    if (host === this.checkedHost) return true;
    if (!isAuthority(host)) return false;
    this.checkedHost = host;
    return true;
  }
}

function whyNoMethod(text: string, start: number): string {
  return beginsTls(text.charCodeAt(start), text.charCodeAt(start + 1))
    ? 'the client speaks TLS, and this listener has no tls; give it tls in listen, or use http:// URLs'
    : 'a malformed method';
}

/** Returns the protocols of an Upgrade field if it may be forwarded: never with h2c, whose messages would pass unchecked. */
function offeredProtocols(value: string): string | undefined {
  const protocols = listElements(value).filter(p => p !== '');
  const wellFormed = protocols.every(p => protocolName.test(p));
  if (!wellFormed || protocols.length === 0) return undefined;
  return protocols.some(p => /^(h2c|http)(\/|$)/i.test(p)) ? undefined : protocols.join(', ');
}
