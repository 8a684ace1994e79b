// The options of access-log: what to log, how and where.
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { duration } from '../../core/options/duration.ts';
import type { ConfigFacts } from '../../core/plugin/plugin.ts';
import { isToken } from '../../core/request/headers.ts';
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
    const problem = /\p{Cc}/u.test(text)
      ? 'a template must not have control characters'
      : templateProblem(text);
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
      .describe('Requests with one of these statuses: `404`, `5xx`.'),
    slower: duration()
      .optional()
      .describe('Requests that took longer, from their head to the last byte of the response.'),
    retried: z.literal(true).optional().describe('Requests that were retried.'),
    failed: z
      .literal(true)
      .optional()
      .describe('Requests with an error of Weldr, a truncated response, or a client that left.'),
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
      .refine(path => !path.includes('\0'), 'a path must not contain NUL')
      .optional()
      .describe("A file to append to; default: where Weldr's log goes, stdout unless `log.file` is set."),
    when: kinds.optional().describe('Logs only these requests, and the share `sample` of the others.'),
    sample: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe(
        'The share of requests to log; default 1. With `when`: the share of those that it does not name; default 0.',
      ),
    redact: z
      .union([z.array(z.string().min(1).max(256)).max(256), z.literal('all'), z.literal(false)])
      .default([])
      .describe('Query parameters logged as `***`, besides the known secrets; `all`; `false`: none.'),
    headers: z
      .strictObject({
        request: fields.default(['User-Agent']).describe('Request fields.'),
        response: fields.default([]).describe('Response fields.'),
      })
      .prefault({})
      .describe('Header fields to include in `json` lines. Credentials are logged only if you name them.'),
  })
  .describe(
    'Logs one line per request: the client, what it asked for, the outcome, and how long each phase took.',
  );

/** The options of `accessLog`, as written in a config. */
export type AccessLogOptions = z.input<typeof options>;

export type ParsedOptions = z.output<typeof options>;

/** Fields that let a reader of the log act as a client. */
const credentials: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
]);

/** Warns about likely mistakes. */
export function warnOf({ file, format: template, headers }: ParsedOptions, facts: ConfigFacts): void {
  if (file !== undefined && !isFolder(dirname(file))) {
    facts.warn('file', `there is no folder ${dirname(file)}: lines are dropped until you create it`);
  }
  const warnOfField = (option: string, name: string): void => {
    if (credentials.has(name.toLowerCase()))
      facts.warn(option, `${name} is logged: readers of the log can act as the clients`);
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
