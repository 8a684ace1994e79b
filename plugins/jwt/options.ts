// The options of jwt.
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import { duration, size } from '../../core/options/duration.ts';
import { secret } from '../../core/options/secret.ts';
import { hopByHop, isToken } from '../../core/request/headers.ts';
import { algorithmsFor, asymmetric, shortestSecret, symmetric } from './algorithms.ts';
import { publicKeyOf, publicKeysIn } from './public-keys.ts';

const text = () => z.string().min(1).max(1024);
const texts = () => z.union([text(), z.array(text()).min(1).max(32)]);
/** Goes into a quoted string of WWW-Authenticate (RFC 6750 section 3). */
const quotable = () => z.string().regex(/^[ !#-[\]-~]{1,100}$/, 'expected printable ASCII without " and \\');
const scopeName = () =>
  z.string().regex(/^[!#-[\]-~]{1,256}$/, 'expected a scope, without spaces and quotes');

const fieldName = () =>
  z
    .string()
    .max(256)
    .refine(isToken, 'is not a field name')
    .refine(
      name =>
        !/^(host|authorization|cookie|content-length)$/i.test(name) && !hopByHop.has(name.toLowerCase()),
      'already has a meaning: use a field such as X-User',
    );

const key = () =>
  secret().superRefine((pem, context) => {
    try {
      publicKeyOf(pem);
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: describeError(thrown) });
    }
  });

const shared = () =>
  secret().refine(
    value => Buffer.byteLength(value) >= shortestSecret,
    `is too short: use ${shortestSecret} characters or more, such as \`openssl rand -hex 32\` prints`,
  );

const keySet = z
  .looseObject({
    keys: z
      .array(z.looseObject({ kty: z.string().optional().describe('The kind of key: RSA, EC or OKP.') }))
      .min(1)
      .describe('The keys, as in RFC 7517.'),
  })
  .superRefine((set, context) => {
    try {
      publicKeysIn(set);
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: describeError(thrown) });
    }
  });

const source = z.union([
  z.literal('authorization'),
  z.strictObject({
    header: z
      .string()
      .max(256)
      .refine(isToken, 'is not a field name')
      .describe('The name of a request header.'),
  }),
  z.strictObject({ cookie: text().describe('The name of a cookie.') }),
  z.strictObject({ query: text().describe('The name of a query parameter.') }),
]);

/** Where to look for a token. */
export type TokenPlace = z.output<typeof source>;

export const options = z
  .strictObject({
    jwks: z
      .union([
        z
          .url({
            protocol: /^https?$/,
            error: 'expected a URL such as "https://id.example/keys", or a set of keys',
          })
          .refine(url => !/[@#]/.test(url), 'has a user name, a password or a fragment: leave them out'),
        keySet,
      ])
      .optional()
      .describe("The URL of the identity provider's keys, or the keys themselves."),
    key: z
      .union([key(), z.array(key()).min(1).max(8)], {
        error: 'expected PEM of a public key, `file:PATH` of one that can be read, or a list of these',
      })
      .optional()
      .describe('The public key, PEM or `file:PATH`; several for key rotation.'),
    secret: z
      .union([shared(), z.array(shared()).min(1).max(5)], {
        error: 'expected a secret, `env:NAME` or `file:PATH` of one that can be read, or a list of these',
      })
      .optional()
      .describe('The secret of HS256, HS384 or HS512, 32 characters or more; several for rotation.'),
    algorithms: z
      .array(z.enum([...asymmetric, ...symmetric]))
      .min(1)
      .optional()
      .describe('The allowed signature algorithms; default: all that suit the key.'),
    issuer: texts().optional().describe('The accepted issuer of tokens, the claim `iss`, or a list of them.'),
    audience: texts()
      .optional()
      .describe('The accepted audience of tokens, the claim `aud`, or a list of them.'),
    type: text().optional().describe('The header `typ` of tokens, such as at+jwt.'),
    requiredClaims: z
      .array(quotable())
      .max(64)
      .default([])
      .describe('Claims that must be present, besides `exp`; else 401.'),
    scopes: z
      .array(scopeName())
      .max(64)
      .default([])
      .describe('Required scopes, all of them, in `scope` or `scp`; else 403.'),
    claims: z
      .record(
        text(),
        z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()])).min(1)]),
      )
      .default({})
      .describe('Required values of claims by name, or lists of accepted ones; else 403.'),
    clockTolerance: duration().prefault('5s').describe('How far clocks may differ.'),
    maxAge: duration().optional().describe('How old a token may be, by its claim `iat`.'),
    from: z
      .union([source, z.array(source).min(1).max(8)], {
        error:
          'expected "authorization", { header: NAME }, { cookie: NAME }, { query: NAME }, or a list of these',
      })
      .default('authorization')
      .describe(
        'Where the token is: `authorization` (Bearer), a header, a cookie or a query parameter, or any of several.',
      ),
    optional: z
      .boolean()
      .default(false)
      .describe('Whether to admit requests without a token, too; they have no claims.'),
    forward: z.boolean().default(true).describe('Whether the token is passed on to servers.'),
    forwardClaims: z
      .record(fieldName(), text())
      .default({})
      .describe(
        'Fields that pass claims on to servers, such as { "X-User": "sub" }. A client\'s own fields of these names are dropped.',
      ),
    realm: quotable().optional().describe('The realm in WWW-Authenticate.'),
    maxToken: size()
      .refine(bytes => bytes >= 64 && bytes <= 64 * 1024, 'a token has from 64 bytes to 64kb')
      .prefault('8kb')
      .describe('The longest token.'),
    remember: z
      .number()
      .int()
      .min(0)
      .max(100_000)
      .default(5_000)
      .describe('Valid tokens that each worker remembers until they expire or keys change.'),
    timeout: duration()
      .refine(ms => ms >= 1, 'a timeout is at least 1ms')
      .prefault('5s')
      .describe('The timeout of a fetch of keys; less than `timeouts.stage`.'),
    refresh: duration()
      .refine(ms => ms >= 60_000, 'a refresh is at least 1m')
      .prefault('10m')
      .describe('How often keys are fetched again; a shorter max-age of the provider applies, down to 1m.'),
    cooldown: duration()
      .refine(ms => ms >= 1_000, 'a cooldown is at least 1s')
      .prefault('30s')
      .describe('The least time between fetches because of unknown keys.'),
    keep: duration()
      .prefault('1d')
      .describe('How long the last keys are used while the provider does not respond.'),
    ca: secret().optional().describe("The authority of the provider's certificate, PEM or `file:PATH`."),
  })
  .superRefine(({ jwks, key: keys, secret: secrets, algorithms }, context) => {
    const given = [jwks, keys, secrets].filter(each => each !== undefined).length;
    if (given !== 1) {
      const message =
        given === 0
          ? 'expected jwks, key or secret, to check signatures with'
          : 'expected one of jwks, key and secret: leave the others out';
      context.addIssue({ code: 'custom', message });
    }
    const possible = algorithmsFor(secrets === undefined ? 'public' : 'secret', algorithms);
    if (typeof possible === 'string') {
      context.addIssue({ code: 'custom', path: ['algorithms'], message: possible });
    }
  })
  .describe('Admits requests with a valid token (JWT).');

/** The options of `jwt`, as written in a config. */
export type JwtOptions = z.input<typeof options>;

export type Parsed = z.output<typeof options>;
