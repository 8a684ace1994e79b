// The jwt plugin without sockets: which tokens it admits, its replies, and what servers receive.
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { exportJWK, exportSPKI, generateKeyPair, importJWK, type JWTPayload, SignJWT } from 'jose';
import * as assert from 'uvu/assert';
import { withId } from '../../../core/plugin/define-plugin.ts';
import { type RunOptions, type RunResult, workerSide } from '../../../core/testing.ts';
import { type JwtOptions, jwt } from '../../../plugins/jwt/index.ts';
import { rateLimit } from '../../../plugins/rate-limit/index.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('jwt');

/** The time at which the clock of a test starts, seconds. */
const start = Date.UTC(2025, 0, 1) / 1_000;

const [ec, stranger, rsa, ed] = await Promise.all([
  generateKeyPair('ES256'),
  generateKeyPair('ES256'),
  generateKeyPair('RS256', { extractable: true }),
  generateKeyPair('EdDSA', { extractable: true }),
]);
const jwks = {
  keys: [
    { ...(await exportJWK(ec.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' },
    { ...(await exportJWK(rsa.publicKey)), kid: 'two' },
    { ...(await exportJWK(ed.publicKey)), kid: 'three' },
  ],
};
const pem = await exportSPKI(rsa.publicKey);
const secret = 'a secret of thirty-two characters';

interface TokenFacts {
  readonly header?: Record<string, unknown>;
  readonly key?: Parameters<SignJWT['sign']>[0];
}

function token(
  claims: JWTPayload = {},
  { header = {}, key = ec.privateKey }: TokenFacts = {},
): Promise<string> {
  return new SignJWT({ iss: 'https://id.test', aud: 'shop', sub: 'ann', exp: start + 3_600, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', ...header })
    .sign(key);
}

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const bearer = (value: string): RunOptions => ({ headers: { Authorization: `Bearer ${value}` } });

const sideOf = (options: Partial<JwtOptions> = {}) =>
  workerSide(
    [
      jwt({ jwks, issuer: 'https://id.test', audience: 'shop', ...options } as JwtOptions),
      roundRobin(),
      retry(),
    ],
    {
      upstreams: ['http://a:1', 'http://b:1'],
    },
  );

async function run(request: RunOptions, options: Partial<JwtOptions> = {}): Promise<RunResult> {
  const side = await sideOf(options);
  const result = await side.run(request);
  await side.close();
  assert.is(side.clock.pending, 0);
  return result;
}

const challenge = ({ headers }: RunResult): string => headers.get('www-authenticate') ?? '';

async function expectRefused(value: string, why: string, options: Partial<JwtOptions> = {}): Promise<void> {
  const result = await run(bearer(value), options);
  assert.equal(
    [result.status, challenge(result), result.sent.length],
    [401, `Bearer error="invalid_token", error_description="${why}"`, 0],
    value,
  );
}

test('admits valid tokens, with keys of every kind', async () => {
  const tokens = [
    await token(),
    await token({ aud: ['bank', 'shop'] }),
    await token({}, { header: { alg: 'RS256', kid: 'two' }, key: rsa.privateKey }),
    await token(
      {},
      {
        header: { alg: 'PS512', kid: 'two' },
        key: await importJWK(await exportJWK(rsa.privateKey), 'PS512'),
      },
    ),
    await token({}, { header: { alg: 'EdDSA', kid: 'three' }, key: ed.privateKey }),
    await token({}, { header: { kid: undefined } }),
  ];
  for (const each of tokens) {
    const { status, sent } = await run(bearer(each));
    assert.equal([status, sent[0]?.headers.get('authorization')], [200, `Bearer ${each}`]);
  }
});

test('replies 401 without a token, and says what is needed', async () => {
  const result = await run({}, { realm: 'shop' });
  assert.equal([result.status, challenge(result), result.sent.length], [401, 'Bearer realm="shop"', 0]);
  assert.is(result.headers.get('cache-control'), 'no-store');
  assert.is(challenge(await run({ headers: { Authorization: 'Basic YTpi' } })), 'Bearer');
});

test('refuses invalid tokens, and says why', async () => {
  const good = await token();
  const malformed = 'the token is malformed';
  await expectRefused('abc', malformed);
  await expectRefused('', malformed);
  await expectRefused('a.b.c', malformed);
  await expectRefused(`${good} x`, malformed);
  await expectRefused(`${good}.x.y`, malformed);
  await expectRefused(`x${good.slice(1)}`, malformed);
  await expectRefused(good.replace(/\.[^.]*$/, '.'), malformed);
  await expectRefused(`${good.replace(/\.[^.]*$/, '')}.${'A'.repeat(86)}`, 'the signature does not match');
  await expectRefused(await token({}, { key: stranger.privateKey }), 'the signature does not match');
  await expectRefused(await token({}, { header: { kid: 'four' } }), 'the key of the token is unknown');
  await expectRefused(await token({ exp: start - 6 }), 'the token has expired');
  await expectRefused(await token({ nbf: start + 6 }), 'the claim nbf is not accepted');
  await expectRefused(await token({ aud: 'bank' }), 'the claim aud is not accepted');
  await expectRefused(await token({ iss: 'https://id.evil' }), 'the claim iss is not accepted');
  await expectRefused(await token({ exp: undefined } as never), 'the claim exp is missing');
  await expectRefused(await token(), 'the claim jti is missing', { requiredClaims: ['jti'] });
  await expectRefused(await token(), 'the claim typ is not accepted', { type: 'at+jwt' });
  await expectRefused(await token({ iat: start - 100 }), 'the token has expired', { maxAge: '1m' });
  await expectRefused(await token(), 'the claim iat is missing', { maxAge: '1m' });
});

test('tolerates clocks that differ a little', async () => {
  assert.is((await run(bearer(await token({ exp: start - 4, nbf: start + 4 })))).status, 200);
  const late = await token({ exp: start - 50 });
  assert.is((await run(bearer(late), { clockTolerance: '1m' })).status, 200);
});

test('refuses algorithms that do not fit the key: none, a public key as a secret, or one not listed', async () => {
  const kind = 'the token is of a kind that is not accepted';
  const claims = { iss: 'https://id.test', aud: 'shop', sub: 'ann', exp: start + 3_600 };
  const hmac = (header: object, key: string): string => {
    const text = `${base64(header)}.${base64(claims)}`;
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  };
  for (const alg of ['none', 'None', 'nOnE', ''])
    await expectRefused(
      `${base64({ alg })}.${base64(claims)}.AA`,
      alg === '' ? 'the token is malformed' : kind,
    );
  await expectRefused(hmac({ alg: 'HS256', kid: 'two' }, pem), kind);
  await expectRefused(hmac({ alg: 'HS256', kid: 'two' }, pem), kind, { jwks: undefined, key: pem });
  await expectRefused(hmac({ alg: 'HS256' }, JSON.stringify(jwks.keys[1])), kind);
  await expectRefused(await token(), kind, { algorithms: ['RS256'] });
  await expectRefused(await token(), kind, { jwks: undefined, secret });
  // A key of one curve under the name of another.
  await expectRefused(await token({}, { header: { kid: 'three' } }), 'the key of the token is unknown');
  await expectRefused(
    await token({}, { header: { crit: ['b64'], b64: true } }).catch(
      () => `${base64({ alg: 'ES256', crit: ['x'], x: 1 })}.e30.AA`,
    ),
    kind,
  );
});

test('never uses a key from a token', async () => {
  const own = await exportJWK(stranger.publicKey);
  const header = { kid: undefined, jwk: own, jku: 'https://evil.test/keys', x5u: 'https://evil.test/keys' };
  await expectRefused(await token({}, { header, key: stranger.privateKey }), 'the signature does not match');
});

test('checks with keys from the config: PEM, several of them, secrets, several of them', async () => {
  const signed = await token({}, { header: { alg: 'RS256', kid: 'any' }, key: rsa.privateKey });
  assert.is((await run(bearer(signed), { jwks: undefined, key: pem })).status, 200);
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
    type: 'spki',
    format: 'pem',
  });
  assert.is((await run(bearer(signed), { jwks: undefined, key: [String(other), pem] })).status, 200);
  const withSecret = await token({}, { header: { alg: 'HS256', kid: 'any' }, key: Buffer.from(secret) });
  const old = 'another secret of some more characters';
  assert.is((await run(bearer(withSecret), { jwks: undefined, secret })).status, 200);
  assert.is((await run(bearer(withSecret), { jwks: undefined, secret: [old, secret] })).status, 200);
  assert.is((await run(bearer(withSecret), { jwks: undefined, secret: old })).status, 401);
});

test('refuses more than one token, wherever they are', async () => {
  const good = await token();
  const both: RunOptions[] = [
    {
      headers: [
        ['Authorization', `Bearer ${good}`],
        ['authorization', 'Bearer abc'],
      ],
    },
    { headers: { Authorization: `Bearer ${good}`, Cookie: 'id=abc' } },
    { headers: { Cookie: `id=${good}; id=abc` } },
    { target: `/?token=${good}&token=abc` },
    { target: `/?to%6ben=abc`, ...bearer(good) },
  ];
  for (const request of both) {
    const result = await run(request, { from: ['authorization', { cookie: 'id' }, { query: 'token' }] });
    assert.equal([result.status, challenge(result)], [400, 'Bearer error="invalid_request"']);
  }
});

test('reads the token from the configured place, and nowhere else', async () => {
  const good = await token();
  assert.is((await run({ target: `/?access_token=${good}` })).status, 401);
  assert.is((await run({ headers: { Cookie: `id=${good}` } }, { from: { cookie: 'id' } })).status, 200);
  assert.is((await run({ headers: { 'X-Token': good } }, { from: { header: 'X-Token' } })).status, 200);
  assert.is(
    (await run({ target: `/?a=b&t=${good}` }, { from: [{ query: 't' }, 'authorization'] })).status,
    200,
  );
  assert.is((await run(bearer(good), { from: { cookie: 'id' } })).status, 401);
});

test('removes the token from what servers get, if configured', async () => {
  const good = await token();
  const from = ['authorization', { header: 'X-Token' }, { cookie: 'id' }, { query: 't' }] as const;
  const sentOf = async (request: RunOptions) => {
    const [sent] = (await run(request, { from: [...from], forward: false })).sent;
    return [sent?.target, [...(sent?.headers ?? [])].filter(([name]) => !/^host$/i.test(name))];
  };
  assert.equal(await sentOf(bearer(good)), ['/', []]);
  assert.equal(await sentOf({ headers: { 'X-Token': good, X_Token: good, A: 'b' } }), ['/', [['A', 'b']]]);
  assert.equal(await sentOf({ headers: { Cookie: `a=b; id=${good}; c=d` } }), [
    '/',
    [['Cookie', 'a=b; c=d']],
  ]);
  assert.equal(await sentOf({ target: `/x?t=${good}`, headers: { Cookie: 'a=b' } }), [
    '/x',
    [['Cookie', 'a=b']],
  ]);
  assert.equal(await sentOf({ target: `/x?a=b&%74=${good}&c` }), ['/x?a=b&c', []]);
});

test('forwards claims to servers in fields, and drops those of clients with the same names', async () => {
  const forwardClaims = {
    'X-User': 'sub',
    'X-Name': 'name',
    'X-Roles': 'realm.roles',
    'X-Tenant': 'https://shop.test/tenant',
    'X-Level': 'level',
    'X-Claims': '*',
    'X-None': 'none.at.all',
    'X-Proto': '__proto__.constructor',
  };
  const claims = {
    name: 'Ännchen, 100%\r\nX-Admin: 1 ',
    realm: { roles: ['a', 'b,c', { d: 1 }] },
    'https://shop.test/tenant': 'x',
    level: 5,
  };
  const spoofed = {
    'X-User': 'root',
    X_User: 'root',
    'x.user': 'root',
    'X-None': 'root',
    x_none: 'root',
    'X-Proto': 'root',
  };
  const fieldsOf = async (headers: Record<string, string>, options: Partial<JwtOptions> = {}) => {
    const { sent } = await run({ headers }, { forwardClaims, ...options });
    return [...(sent[0]?.headers ?? [])].filter(([name]) => /^x/i.test(name) && name !== 'X-Claims');
  };
  const good = await token(claims);
  assert.equal(await fieldsOf({ ...spoofed, Authorization: `Bearer ${good}` }), [
    ['X-User', 'ann'],
    ['X-Name', '%C3%84nnchen%2C 100%25%0D%0AX-Admin: 1%20'],
    ['X-Roles', 'a,b%2Cc,{"d":1}'],
    ['X-Tenant', 'x'],
    ['X-Level', '5'],
  ]);
  assert.equal(await fieldsOf(spoofed, { optional: true }), []);
  const { sent } = await run(bearer(good), { forwardClaims });
  const all = JSON.parse(Buffer.from(sent[0]?.headers.get('x-claims') ?? '', 'base64url').toString());
  assert.equal([all.sub, all.realm.roles.length], ['ann', 3]);
});

test('admits requests without a token where it is optional, and none with a bad one', async () => {
  assert.is((await run({}, { optional: true })).status, 200);
  assert.is((await run(bearer('abc'), { optional: true })).status, 401);
});

test('requires all scopes, and replies 403 otherwise', async () => {
  const options = { scopes: ['read', 'write'] };
  for (const claims of [{ scope: 'a read write' }, { scp: ['write', 'read'] }, { scp: 'read write' }]) {
    assert.is((await run(bearer(await token(claims)), options)).status, 200);
  }
  for (const claims of [
    {},
    { scope: 'read' },
    { scope: 'readwrite' },
    { scope: { read: true } },
  ] as JWTPayload[]) {
    const result = await run(bearer(await token(claims)), options);
    assert.equal(
      [result.status, challenge(result)],
      [403, 'Bearer error="insufficient_scope", scope="read write"'],
    );
  }
});

test('requires values of claims, and replies 403 otherwise', async () => {
  const options = { claims: { role: ['admin', 'editor'], 'org.id': 7, verified: true } };
  const right = { role: 'editor', org: { id: 7 }, verified: true };
  assert.is((await run(bearer(await token(right)), options)).status, 200);
  assert.is((await run(bearer(await token({ ...right, role: ['x', 'admin'] })), options)).status, 200);
  for (const wrong of [
    { role: 'user' },
    { role: 'admin,editor' },
    { org: { id: '7' } },
    { verified: 'true' },
    { role: [] },
  ]) {
    const result = await run(bearer(await token({ ...right, ...wrong })), options);
    assert.equal([result.status, challenge(result)], [403, 'Bearer error="insufficient_scope"']);
  }
});

test('remembers tokens until they end, and no longer', async () => {
  const side = await sideOf({ clockTolerance: 0 });
  const good = bearer(await token({ exp: start + 10 }));
  const bad = bearer(await token({ exp: start + 10 }, { key: stranger.privateKey }));
  for (let n = 0; n < 3; n++) {
    assert.equal([(await side.run(good)).status, (await side.run(bad)).status], [200, 401]);
  }
  side.clock.advance(9_000);
  assert.is((await side.run(good)).status, 200);
  side.clock.advance(1_000);
  assert.is((await side.run(good)).status, 401);
  const aging = await sideOf({ maxAge: '1m', clockTolerance: 0 });
  const aged = bearer(await token({ iat: start }));
  assert.is((await aging.run(aged)).status, 200);
  aging.clock.advance(61_000);
  assert.is((await aging.run(aged)).status, 401);
});

test('is asked once for all attempts', async () => {
  const { status, sent } = await run({ ...bearer(await token()), answers: ['CONNECT_FAILED', 200] });
  assert.equal([status, sent.length], [200, 2]);
});

test('passes the claims to later plugins, which cannot change them', async () => {
  const limit = rateLimit({ rate: 1, key: ctx => String(ctx.get(jwt.claims)?.['sub']) });
  const seen: unknown[] = [];
  const look = {
    name: 'look',
    worker({ hooks }: Parameters<NonNullable<ReturnType<typeof jwt>['worker']>>[0]) {
      hooks.preProxy.tap('look', ctx => {
        const claims = ctx.get(jwt.claims) ?? {};
        seen.push(claims['sub'], Object.isFrozen(claims), Object.isFrozen(claims['roles']));
        return undefined;
      });
    },
  };
  const plugins = [jwt({ jwks }), limit, roundRobin(), look];
  const side = await workerSide(plugins, { upstreams: ['http://a:1'] });
  const of = async (sub: string) => (await side.run(bearer(await token({ sub, roles: ['a'] })))).status;
  assert.equal([await of('ann'), await of('ann'), await of('bob')], [200, 429, 200]);
  assert.equal(seen.slice(0, 3), ['ann', true, true]);
});

test('can be listed twice, each with its own keys', async () => {
  const other = withId('second', jwt({ secret, from: { header: 'X-Service' } }));
  const side = await workerSide([jwt({ jwks }), other, roundRobin()], { upstreams: ['http://a:1'] });
  const service = await token({}, { header: { alg: 'HS256' }, key: Buffer.from(secret) });
  const user = await token();
  const statusOf = async (headers: Record<string, string>) => (await side.run({ headers })).status;
  assert.is(await statusOf({ Authorization: `Bearer ${user}`, 'X-Service': service }), 200);
  assert.is(await statusOf({ Authorization: `Bearer ${user}` }), 401);
  assert.is(await statusOf({ Authorization: `Bearer ${service}`, 'X-Service': user }), 401);
});

test('refuses invalid options', async () => {
  const privatePem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
    type: 'spki',
    format: 'pem',
  });
  const cases: [options: object, why: RegExp][] = [
    [{}, /expected jwks, key or secret/],
    [{ jwks, secret }, /leave the others out/],
    [{ jwks: 'id.test/keys' }, /expected a URL/],
    [{ jwks: 'http://a:b@id.test/keys' }, /leave them out/],
    [{ jwks: { keys: [] } }, /keys/],
    [{ jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }, /no public key/],
    [{ key: 'abc' }, /not a public key/],
    [{ key: String(privatePem) }, /private key/],
    [{ key: String(small) }, /2048 bits/],
    [{ secret: 'short' }, /32 characters/],
    [{ jwks, algorithms: ['HS256'] }, /HS256 needs a secret/],
    [{ secret, algorithms: ['RS256'] }, /RS256 needs a public key/],
    [{ jwks, algorithms: ['none'] }, /algorithms/],
    [{ jwks, forwardClaims: { Host: 'sub' } }, /already has a meaning/],
    [{ jwks, realm: 'a"b' }, /without " and/],
    [{ jwks, scopes: ['a b'] }, /expected a scope/],
    [{ jwks, issuers: 'x' }, /issuer/],
    [{ jwks, from: 'cookie' }, /cookie: NAME/],
    [{ key: 'file:/no/such/file' }, /that can be read/],
    [{ secret: ['short'] }, /32 characters/],
  ];
  for (const [options, why] of cases) {
    const thrown = await workerSide(jwt(options as JwtOptions)).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID', JSON.stringify(options));
    assert.match(thrown.message, why);
  }
});
