// An example plugin that lets in requests with a valid bearer token (JWT), checked with the keys that an identity provider
// publishes (JWKS). jose fetches these when the first token comes and once for all that wait, again after ten minutes,
// and for an unknown key every 30 s at most. Needs `npm install jose`. Weldr's own `jwt` does more; this shows how little
// it takes.
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { definePlugin, duration, reply } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** Where the keys are, such as `https://id.example/.well-known/jwks.json`. */
  jwks: z.url(),
  issuer: z.string().min(1),
  audience: z.string().min(1),
  /** Tells the upstream whose token it was; what a client says in it is dropped. */
  subjectHeader: z.string().min(1).default('X-User'),
  /** Of a fetch of keys; less than `timeouts.stage`. */
  timeout: duration().default(5000),
});

const noToken = reply(401, 'a bearer token is needed\n', { 'WWW-Authenticate': 'Bearer' });
const badToken = reply(401, 'the token is not valid\n', {
  'WWW-Authenticate': 'Bearer error="invalid_token"',
});
const noKeys = reply(503, 'tokens cannot be checked now\n', { 'Retry-After': '5' });
/** What says something about the key server, and nothing about the token. */
const faultsOfServer: readonly string[] = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID'];

export const jwt = definePlugin({
  name: 'jwt',
  schema: options,
  worker({ hooks, log }, { jwks, issuer, audience, subjectHeader, timeout }) {
    const keys = createRemoteJWKSet(new URL(jwks), { timeoutDuration: timeout });
    hooks.request.tapPromise('jwt', async ctx => {
      // Of two fields the upstream might read the other one.
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
        if (thrown instanceof errors.JOSEError && !faultsOfServer.includes(thrown.code)) {
          ctx.note(`token refused: ${thrown.code}`);
          return badToken;
        }
        log.error({ err: thrown }, `no keys from ${jwks}`);
        return noKeys;
      }
    });
  },
});
