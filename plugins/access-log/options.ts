// The options of access-log: what is logged, how and where.
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { ConfigFacts } from '../../core/plugin/plugin.ts';
import { isToken } from '../../core/request/headers.ts';
import { duration } from '../../core/settings/duration.ts';
import { templateProblem } from './template-line.ts';

const maxTemplate = 4096;

const fields = z
  .array(z.string().max(256).refine(isToken, 'expected the name of a field such as "User-Agent"'))
  .max(32);

const format = z
  .string()
  .min(1)
  .max(maxTemplate)
  .superRefine((text, context) => {
    if (text === 'json' || text === 'combined' || text === 'common') return;
    const problem = /\p{Cc}/u.test(text) ? 'a template has no control characters' : templateProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

const expectedStatus = 'expected a status such as 404 or "5xx"';

const kinds = z
  .strictObject({
    status: z
      .array(
        z.union(
          [z.string().regex(/^[1-5](?:xx|\d\d)$/, expectedStatus), z.number().int().min(100).max(599)],
          expectedStatus,
        ),
      )
      .max(100)
      .optional()
      .describe('Those with one of these statuses: `404`, `5xx`.'),
    slower: duration().optional().describe('Those that took longer, first byte to last.'),
    retried: z.literal(true).optional().describe('Those that were tried more than once.'),
    failed: z
      .literal(true)
      .optional()
      .describe('Those with an error of Weldr, those that were cut, and those whose client left.'),
  })
  .refine(given => Object.keys(given).length > 0, 'is empty: name a kind such as { status: ["5xx"] }');

/** The schema of the options. */
export const options = z
  .strictObject({
    format: format
      .default('json')
      .describe('`json`, `combined`, `common`, or a text with names: `{time} {client} {status}`.'),
    file: z
      .string()
      .min(1)
      .refine(path => !path.includes('\0'), 'a path has no NUL')
      .optional()
      .describe('A file to append to; default: where the log of Weldr goes, which is stdout.'),
    when: kinds.optional().describe('Only these requests are logged, and `sample` of the others.'),
    sample: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe(
        'The share of requests that is logged; default 1. With `when`: of those that it does not name; default 0.',
      ),
    redact: z
      .union([z.array(z.string().min(1).max(256)).max(256), z.literal('all'), z.literal(false)])
      .default([])
      .describe('Parameters of queries whose values are `***`, beside the known ones; `all`; `false`: none.'),
    headers: z
      .strictObject({
        request: fields.default(['User-Agent']).describe('Of requests.'),
        response: fields.default([]).describe('Of responses.'),
      })
      .prefault({})
      .describe(
        'Fields that stand in the lines of `json`. Credentials are logged where you name them, and not else.',
      ),
  })
  .describe('One line a request: who asked for what, what became of it, and how long each part took.');

/** What `accessLog` takes, as people write it. */
export type AccessLogOptions = z.input<typeof options>;

export type ParsedOptions = z.output<typeof options>;

/** Fields by which whoever reads the log can act as a client. */
const credentials: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
]);

/** Says what is surely not meant. */
export function warnOf({ file, format: template, headers }: ParsedOptions, facts: ConfigFacts): void {
  if (file !== undefined && !isFolder(dirname(file))) {
    facts.warn('file', `there is no folder ${dirname(file)}: lines are dropped until it is made`);
  }
  const warnOfField = (option: string, name: string): void => {
    if (credentials.has(name.toLowerCase()))
      facts.warn(option, `${name} is logged: whoever reads the log can act as its clients`);
  };
  for (const name of headers.request) warnOfField('headers.request', name);
  for (const name of headers.response) warnOfField('headers.response', name);
  for (const [, name = ''] of template.matchAll(/\{(?:request|response)\.([^{}]+)\}/g))
    warnOfField('format', name);
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
