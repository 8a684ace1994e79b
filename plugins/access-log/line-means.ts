// Line means: the parts that all line formats share.
import type { ProxyContext } from '../../core/request/context.ts';
import type { HeaderList } from '../../core/request/headers.ts';
import type { Redaction } from '../../core/request/redaction.ts';
import { jsonText } from './escaping.ts';
import { RepeatedText } from './repeated-text.ts';
import { bounded, maxField } from './request-facts.ts';
import type { Moments } from './time-text.ts';

/** Returns the line of a finished request, with its line end. */
export type LineFormat = (ctx: ProxyContext) => string;

/** Reads a header field that lines include. */
export interface FieldReader {
  /** Writes the field as a member of a JSON object. */
  readonly member: RepeatedText;
  /** Returns its value, bounded; undefined: the field is missing. */
  read(headers: HeaderList): string | undefined;
}

/** The collaborators of a format. */
export interface LineMeans {
  readonly redaction: Redaction;
  readonly moments: Moments;
  readonly requestFields: readonly FieldReader[];
  readonly responseFields: readonly FieldReader[];
  /** Returns when the request head had arrived, ms since the epoch. */
  startOf(ctx: ProxyContext): number;
}

/** Fields that hold a URL. */
const urls = new Set(['referer', 'location', 'content-location', 'origin']);

/** Returns a reader for a field, which removes secrets from URLs. */
export function fieldReader(name: string, redaction: Redaction): FieldReader {
  const key = name.toLowerCase();
  const isUrl = urls.has(key);
  return {
    member: new RepeatedText(`${jsonText(key)}:`),
    read(headers) {
      const value = headers.get(key);
      if (value === undefined) return undefined;
      return bounded(isUrl ? redaction.ofUrl(value) : value, maxField);
    },
  };
}
