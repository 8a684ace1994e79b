// Line formats: from the name of a format, or a template, to the function that writes its lines.

import type { Redaction } from '../../core/request/redaction.ts';
import type { Clock } from '../../core/time/clock.ts';
import { clfLine } from './clf-line.ts';
import { jsonLine } from './json-line.ts';
import { fieldReader, type LineFormat, type LineMeans } from './line-means.ts';
import { templateLine } from './template-line.ts';
import { Moments } from './time-text.ts';

/** The options of a format. */
export interface FormatOptions {
  /** `json`, `combined`, `common`, or a template. */
  readonly format: string;
  readonly headers: { readonly request: readonly string[]; readonly response: readonly string[] };
}

/** Returns the format. */
export function lineFormat(
  { format, headers }: FormatOptions,
  redaction: Redaction,
  clock: Clock,
): LineFormat {
  const means: LineMeans = {
    redaction,
    moments: new Moments(),
    requestFields: headers.request.map(name => fieldReader(name, redaction)),
    responseFields: headers.response.map(name => fieldReader(name, redaction)),
    // The request has just ended.
    startOf: ctx => clock.now() - (ctx.finishedAt - ctx.startedAt),
  };
  if (format === 'json') return jsonLine(means);
  if (format === 'combined' || format === 'common') return clfLine(means, format);
  return templateLine(format, means);
}
