// An example plugin that admits requests with a valid bearer token (JWT), checked with the keys that an identity provider
// publishes (JWKS). jose fetches them when the first token arrives, once for all waiting requests, then again after ten
// minutes, and for unknown keys at most every 30 s. Needs `npm install jose`. Weldr's own `jwt` does more.
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { definePlugin, duration, reply } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** The URL of the keys, such as `https://id.example/.well-known/jwks.json`. */
  jwks: z.url(),
  issuer: z.string().min(1),
  audience: z.string().min(1),
  /** The field that gives the upstream the token's subject; a client's value is dropped. */
  subjectHeader: z.string().min(1).default('X-User'),
  /** For fetching the keys; less than `timeouts.stage`. */
  timeout: duration().default(5000),
});

const noToken = reply(401, 'a bearer token is needed\n', { 'WWW-Authenticate': 'Bearer' });
const badToken = reply(401, 'the token is not valid\n', {
  'WWW-Authenticate': 'Bearer error="invalid_token"',
});
const noKeys = reply(503, 'tokens cannot be checked now\n', { 'Retry-After': '5' });
/** Errors of the key server, which say nothing about the token. */
const keyServerErrors: readonly string[] = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID'];

export const jwt = definePlugin({
  name: 'jwt',
  schema: options,
  worker({ hooks, log }, { jwks, issuer, audience, subjectHeader, timeout }) {
    const keys = createRemoteJWKSet(new URL(jwks), { timeoutDuration: timeout });
    hooks.request.tapPromise('jwt', async ctx => {
      // With two fields, the upstream might read the other one.
      const [authorization = '', ...others] = ctx.request.headers.getAll('authorization');
      const [, token] = /^bearer +([\w.~+/=-]+)$/i.exec(authorization) ?? [];
      if (token === undefined || others.length > 0) return noToken;
      try {
        const { payload } = await jwtVerify(token, keys, {
          issuer,
          audience,
          requiredClaims: ['exp', 'sub'],
        });
        ctx.outgoing.headers.set(subjectHeader, encodeURIComponent(payload.sub ?? ''));
        return undefined;
      } catch (thrown) {
        if (thrown instanceof errors.JOSEError && !keyServerErrors.includes(thrown.code)) {
          ctx.note(`token refused: ${thrown.code}`);
          return badToken;
        }
        log.error({ err: thrown }, `no keys from ${jwks}`);
        return noKeys;
      }
    });
  },
});
