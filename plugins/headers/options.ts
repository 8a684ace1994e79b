// The options of headers: edited fields and the secure preset.
import { z } from 'zod';
import { isAuthority } from '../../core/grammar/request-line.ts';
import { secret } from '../../core/options/secret.ts';
import { hopByHop, isFieldValue, isToken } from '../../core/request/headers.ts';
import { hstsSettings } from '../../core/request/hsts.ts';

const isHost = (name: string): boolean => name.toLowerCase() === 'host';

const written = new Set([...hopByHop, 'content-length']);

const fieldName = z
  .string()
  .refine(isToken, { error: 'is not a field name', abort: true })
  .refine(name => !written.has(name.toLowerCase()), {
    error: 'is written by Weldr itself: leave it out',
  });

const fieldValue = z
  .string()
  .max(8192)
  .refine(isFieldValue, 'has a control character or one beyond Latin-1, which cannot be sent');

/** JSON schema cannot express the key schema of a record, so the keys are checked here. */
const byName = <T extends z.ZodType>(value: T) =>
  z.record(z.string(), value).superRefine((fields, context) => {
    for (const name of Object.keys(fields)) {
      const issue = fieldName.safeParse(name).error?.issues[0];
      if (issue !== undefined) context.addIssue({ code: 'custom', path: [name], message: issue.message });
    }
  });

const oneOrMore = z.union([fieldValue, z.array(fieldValue).min(1).max(32)]);
const sent = secret().refine(
  isFieldValue,
  'has a control character or one beyond Latin-1, which cannot be sent',
);

const request = z
  .strictObject({
    set: byName(sent)
      .default({})
      .describe('Fields that replace all of the same name; values may be `env:NAME` or `file:PATH`.'),
    add: byName(sent).default({}).describe('Fields added to the existing ones.'),
    remove: z.array(fieldName).max(256).default([]).describe('Fields that servers do not get.'),
  })
  .superRefine(({ set, add, remove }, context) => {
    for (const [name, value] of Object.entries(set)) {
      if (isHost(name) && !isAuthority(value))
        context.addIssue({
          code: 'custom',
          path: ['set', name],
          message: 'is not a host such as "shop.example"',
        });
    }
    const message = 'a request has exactly one Host: put it under set';
    if (Object.keys(add).some(isHost)) context.addIssue({ code: 'custom', path: ['add'], message });
    if (remove.some(isHost)) context.addIssue({ code: 'custom', path: ['remove'], message });
  });

const response = z.strictObject({
  set: byName(fieldValue).default({}).describe('Fields that replace all of the same name.'),
  add: byName(oneOrMore)
    .default({})
    .describe('Fields added to the existing ones; a list adds one line each.'),
  remove: z.array(fieldName).max(256).default([]).describe('Fields that clients do not get, such as Server.'),
});

const off = z.literal(false);

const secure = z.strictObject({
  frames: z
    .union([z.enum(['deny', 'sameorigin']), off])
    .default('deny')
    .describe(
      'Which pages may frame this one: X-Frame-Options, and frame-ancestors of Content-Security-Policy.',
    ),
  noSniff: z.boolean().default(true).describe('X-Content-Type-Options: nosniff.'),
  referrerPolicy: z
    .union([fieldValue, off])
    .default('strict-origin-when-cross-origin')
    .describe('Referrer-Policy.'),
  permissionsPolicy: z
    .union([fieldValue, off])
    .default('camera=(), geolocation=(), microphone=()')
    .describe('Permissions-Policy.'),
  openerPolicy: z
    .union([z.enum(['same-origin', 'same-origin-allow-popups', 'noopener-allow-popups', 'unsafe-none']), off])
    .default('same-origin')
    .describe('Cross-Origin-Opener-Policy.'),
  resourcePolicy: z
    .union([z.enum(['same-origin', 'same-site', 'cross-origin']), off])
    .default(false)
    .describe('Cross-Origin-Resource-Policy; `same-origin` keeps other sites from embedding your images.'),
  contentSecurityPolicy: fieldValue.optional().describe('Content-Security-Policy, if the server sends none.'),
  hsts: z
    .union([hstsSettings, off])
    .prefault({})
    .describe('Strict-Transport-Security in responses over https://.'),
  override: z.boolean().default(false).describe("Whether to replace the server's own fields."),
});

/** The schema of the options. */
export const options = z
  .strictObject({
    request: request.optional().describe('Edits of requests, as servers get them.'),
    response: response.optional().describe('Edits of all responses, including those of Weldr.'),
    secure: z
      .union([z.boolean(), secure])
      .default(false)
      .transform(given => (given === true ? secure.parse({}) : given))
      .describe('Fields by which browsers protect their users, on all responses.'),
  })
  .describe('Edits the fields of requests and responses.');

/** The options of `headers`, as written in a config. */
export type HeadersOptions = z.input<typeof options>;

export type RequestEdits = z.output<typeof request>;
export type ResponseEdits = z.output<typeof response>;
export type SecurePreset = z.output<typeof secure>;
