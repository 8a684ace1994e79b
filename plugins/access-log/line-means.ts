// Line means: what all formats of a line are made with.
import type { ProxyContext } from '../../core/request/context.ts';
import type { HeaderList } from '../../core/request/headers.ts';
import type { Redaction } from '../../core/request/redaction.ts';
import { bounded, maxField } from './request-facts.ts';
import type { Moments } from './time-text.ts';

/** The line of a request that is over, with its end. */
export type LineFormat = (ctx: ProxyContext) => string;

/** A field whose value stands in the line. */
export interface FieldReader {
  /** In lower case. */
  readonly key: string;
  /** What it says, bounded; undefined: it is not there. */
  read(headers: HeaderList): string | undefined;
}

/** What a format works with. */
export interface LineMeans {
  readonly redaction: Redaction;
  readonly moments: Moments;
  readonly requestFields: readonly FieldReader[];
  readonly responseFields: readonly FieldReader[];
  /** When the head of the request was there, ms since the epoch. */
  startOf(ctx: ProxyContext): number;
}

/** Those that hold a URL. */
const urls = new Set(['referer', 'location', 'content-location', 'origin']);

/** What reads a field for a line: without the secrets of URLs. */
export function fieldReader(name: string, redaction: Redaction): FieldReader {
  const key = name.toLowerCase();
  const isUrl = urls.has(key);
  return {
    key,
    read(headers) {
      const value = headers.get(key);
      if (value === undefined) return undefined;
      return bounded(isUrl ? redaction.ofUrl(value) : value, maxField);
    },
  };
}
