// ResponseHead: a strict reader of upstreams' response heads (RFC 9112 sections 4 and 5).
import type { HeaderList } from '../../request/headers.ts';
import { CR, LF, SP, valueChar, ZERO } from '../exchange/grammar.ts';
import type { HeadLimits } from '../exchange/head-limits.ts';
import type { BodyForm, InboundResponse } from '../exchange/streams.ts';
import { FieldReader, incomplete, malformed, tooMany } from './fields.ts';
import { bodyLength, chunked, connectionOptions, dropNamedFields, untilClose } from './message-framing.ts';
import { reasonPhrase } from './reason-phrases.ts';
import { needMore, refused } from './request-head.ts';

/** Reads response heads, one at a time. Its fields hold the last complete one. */
export class ResponseHead implements InboundResponse {
  status = 0;
  reason = '';
  minor = 1;
  /** Bytes of the body, `chunked` or `untilClose`; 0 if there is none. */
  length = 0;
  /** The Content-Length, even if no body follows (HEAD, 304); undefined if there is none. */
  announced: number | undefined = undefined;
  /** Whether the connection may be reused after this response. */
  keepAlive = true;
  upgrade: string | undefined = undefined;
  readonly endsWith = 'its length';
  /** How long the upstream keeps an idle connection, ms; undefined if it did not say. */
  keepAliveTimeout: number | undefined = undefined;
  readonly fields: FieldReader;
  /** Why the head was refused. */
  detail = '';
  private readonly limits: HeadLimits;

  constructor(limits: HeadLimits) {
    this.limits = limits;
    this.fields = new FieldReader(limits.headerCount, 'response');
  }

  get headers(): HeaderList {
    return this.fields.headers;
  }

  get hasDate(): boolean {
    return this.fields.hasDate;
  }

  get form(): BodyForm {
    return this.length === chunked ? 'chunks' : 'payload';
  }

  /** Reads the head at the start of `text`. Returns the index after it, `needMore` or `refused`. */
  read(text: string, method: string): number {
    const lineEnd = this.readStatusLine(text);
    if (lineEnd < 0) return lineEnd;
    const { fields, limits } = this;
    const end = fields.read(text, lineEnd);
    if (end === incomplete)
      return text.length > limits.headers ? this.refuse('a head over the limit') : needMore;
    if (end === malformed) return this.refuse(fields.problem);
    if (end === tooMany || end > limits.headers) return this.refuse('a head over the limit');
    return this.interpret(method) ? end : refused;
  }

  private refuse(detail: string): typeof refused {
    this.detail = detail;
    return refused;
  }

  private fail(detail: string): false {
    this.refuse(detail);
    return false;
  }

  private readStatusLine(text: string): number {
    // "HTTP/1.1 200" has twelve characters; without a reason phrase, the space after them is often missing.
    const known = text.slice(0, 9);
    if (known !== 'HTTP/1.1 ' && known !== 'HTTP/1.0 ') {
      const mayBecome = 'HTTP/1.1 '.startsWith(known) || 'HTTP/1.0 '.startsWith(known);
      return mayBecome ? needMore : this.refuse('something other than an HTTP/1 status line');
    }
    if (text.length < 14) return needMore;
    this.minor = text.charCodeAt(7) - ZERO;
    const status = readStatus(text);
    if (status === 0) return this.refuse('an invalid status');
    this.status = status;
    let pos = 12;
    let c = text.charCodeAt(pos);
    if (c !== SP && c !== CR) return this.refuse('a malformed status line');
    if (c === SP) c = text.charCodeAt(++pos);
    const start = pos;
    while (valueChar[c] === 1) c = text.charCodeAt(++pos);
    if (pos >= text.length)
      return text.length > this.limits.requestLine ? this.refuse('a status line over the limit') : needMore;
    if (c !== CR) return this.refuse('a control character in the status line');
    if (pos + 1 >= text.length) return needMore;
    if (text.charCodeAt(pos + 1) !== LF) return this.refuse('a bare CR in the status line');
    const usual = reasonPhrase(status);
    // Most phrases are the usual ones, which saves a new string.
    this.reason =
      usual.length === pos - start && text.startsWith(usual, start) ? usual : text.slice(start, pos);
    return pos + 2;
  }

  private interpret(method: string): boolean {
    const { fields, minor, status } = this;
    const length = bodyLength(fields, minor, untilClose);
    if (typeof length !== 'number') return this.fail(length.detail);
    this.announced = length >= 0 ? length : undefined;
    // RFC 9112 section 6.3: these have no body, whatever the fields say.
    const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
    this.length = bodiless ? 0 : length;
    this.keepAlive = minor === 1;
    this.upgrade = undefined;
    if (fields.connection === 'keep-alive') {
      this.keepAlive = true;
    } else if (fields.connection !== '') {
      const options = connectionOptions(fields.connection);
      if (options === undefined) return this.fail('a malformed Connection field');
      if (options.includes('close')) this.keepAlive = false;
      else if (options.includes('keep-alive')) this.keepAlive = true;
      if (options.includes('upgrade')) this.upgrade = fields.upgrade;
      dropNamedFields(fields, options);
    }
    // A 426 is the only final response that must name protocols (RFC 9110 section 15.5.22).
    if (status === 426 && fields.upgrade !== undefined) {
      fields.headers.push('Upgrade', 'upgrade', fields.upgrade);
    }
    if (this.length === untilClose) this.keepAlive = false;
    const timeout =
      fields.keepAlive === undefined ? null : /(?:^|[,;\s])timeout=(\d{1,6})/i.exec(fields.keepAlive);
    this.keepAliveTimeout = timeout === null ? undefined : Number(timeout[1]) * 1000;
    return true;
  }
}

/** Returns the status, from 100 to 599; 0 if there is no valid one. */
function readStatus(text: string): number {
  const hundreds = text.charCodeAt(9) - ZERO;
  const tens = text.charCodeAt(10) - ZERO;
  const ones = text.charCodeAt(11) - ZERO;
  if (hundreds < 1 || hundreds > 5 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return 0;
  return hundreds * 100 + tens * 10 + ones;
}
