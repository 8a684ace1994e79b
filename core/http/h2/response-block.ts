// ResponseBlock: the field section of an HTTP/2 response (RFC 9113 section 8.3.2), read as strictly as an HTTP/1.1 head.
import type { HeaderList } from '../../request/headers.ts';
import { FieldNotes, malformed } from '../exchange/field-notes.ts';
import type { HeadLimits } from '../exchange/head-limits.ts';
import type { InboundResponse } from '../exchange/streams.ts';
import type { FieldReceiver } from './hpack-decoder.ts';
import { connectionFields, isFieldName, isFieldValue, lengthDigits } from './request-block.ts';

const statusDigits = /^[1-5]\d\d$/;

/** Reads one block at a time. Its fields hold the last complete one. */
export class ResponseBlock implements FieldReceiver, InboundResponse {
  status = 0;
  length = 0;
  announced: number | undefined = undefined;
  readonly reason = undefined;
  readonly form = 'payload';
  readonly upgrade = undefined;
  readonly endsWith = 'a sign';
  /** Why it is malformed; '' if it is not. */
  detail = '';
  private readonly fields: FieldNotes;
  private readonly limits: HeadLimits;
  private givenStatus: string | undefined = undefined;
  private hasRegular = false;
  private bytes = 0;

  constructor(limits: HeadLimits) {
    this.limits = limits;
    this.fields = new FieldNotes(limits.headerCount, 'response');
  }

  get headers(): HeaderList {
    return this.fields.headers;
  }

  get hasDate(): boolean {
    return this.fields.hasDate;
  }

  begin(): void {
    this.fields.begin();
    this.givenStatus = undefined;
    this.hasRegular = false;
    this.bytes = 0;
    this.detail = '';
  }

  onField(name: string, value: string): void {
    // The rest is decoded only for the table.
    if (this.detail !== '') return;
    if (name.charCodeAt(0) === 0x3a) {
      const isStatus = name === ':status' && this.givenStatus === undefined && !this.hasRegular;
      if (isStatus) this.givenStatus = value;
      else this.detail = `${name.slice(0, 40)}, which is unknown, comes twice, or follows other fields`;
      return;
    }
    this.hasRegular = true;
    this.bytes += name.length + value.length + 4;
    if (this.bytes > this.limits.headers) this.detail = 'a head over the limit';
    else if (!isFieldName(name)) this.detail = `an invalid field name: ${JSON.stringify(name.slice(0, 40))}`;
    else if (!isFieldValue(value)) this.detail = `an invalid character in the value of ${name.slice(0, 40)}`;
    else if (connectionFields.has(name)) this.detail = `${name}, which is connection-specific`;
    else if (!this.fields.take(name, value)) {
      this.detail = this.fields.outcome === malformed ? this.fields.problem : 'a head over the limit';
    }
  }

  onNeverIndexed(name: string): void {
    if (this.detail === '') this.headers.keepFromTables(name);
  }

  /** Checks the block as a whole, for a request with this method; `ends`: whether a body follows. Returns false if malformed. */
  end(method: string, ends: 'with the block' | 'later'): boolean {
    if (this.detail !== '') return false;
    const { givenStatus = '', fields } = this;
    if (!statusDigits.test(givenStatus)) return this.fail('no :status, or a malformed one');
    this.status = Number(givenStatus);
    if (this.status === 101) return this.fail('a 101, which HTTP/2 does not have');
    if (this.status < 200 && ends === 'with the block')
      return this.fail('an interim response that ends the stream');
    const { contentLength } = fields;
    if (contentLength !== undefined && !lengthDigits.test(contentLength))
      return this.fail('a malformed content-length');
    this.announced = contentLength === undefined ? undefined : Number(contentLength);
    const { status } = this;
    const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
    if (bodiless || ends === 'with the block') this.length = 0;
    else this.length = this.announced ?? -1;
    if (!bodiless && ends === 'with the block' && (this.announced ?? 0) > 0)
      return this.fail('a content-length without a body');
    return true;
  }

  private fail(detail: string): false {
    this.detail = detail;
    return false;
  }
}
