// TrailerBlock: the field section after a body (RFC 9113 section 8.1), without fields that must not come as trailers.
import { HeaderList } from '../../request/headers.ts';
import { comesTooLate } from '../exchange/trailers.ts';
import type { FieldReceiver } from './hpack-decoder.ts';
import { connectionFields, isFieldName, isFieldValue } from './request-block.ts';

const maxBytes = 8 * 1024;

/** Reads one block at a time. */
export class TrailerBlock implements FieldReceiver {
  /** Why it is malformed; '' if it is not. */
  problem = '';
  private list = new HeaderList();
  private bytes = 0;

  begin(): void {
    this.list = new HeaderList();
    this.problem = '';
    this.bytes = 0;
  }

  onField(name: string, value: string): void {
    if (this.problem !== '') return;
    this.bytes += name.length + value.length + 4;
    if (!isFieldName(name) || !isFieldValue(value)) this.problem = 'a malformed trailer';
    else if (this.bytes > maxBytes) this.problem = `trailers over ${maxBytes} bytes`;
    else if (connectionFields.has(name)) this.problem = `${name}, which is connection-specific`;
    else if (!comesTooLate(name)) this.list.push(name, name, value);
  }

  onNeverIndexed(name: string): void {
    if (this.problem === '') this.list.keepFromTables(name);
  }

  /** Returns the trailers; undefined if there are none. */
  take(): HeaderList | undefined {
    return this.list.length === 0 ? undefined : this.list;
  }
}
