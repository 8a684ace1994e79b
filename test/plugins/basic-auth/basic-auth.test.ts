// The basic-auth plugin: who is admitted, what servers receive, and which lists it takes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type RunOptions, type TestWorkerSide, workerSide } from '../../../core/testing.ts';
import { type BasicAuthOptions, basicAuth } from '../../../plugins/basic-auth/index.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('basic-auth');

/** Of `open sesame`. */
const sesame = '$2b$04$L7rDxBXJI/rC75nE4MHVB.AZPQf0kn7WZ1OZw7C6nr.iDArP5823e';
const withoutPadding = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

/** Published vectors: not made by the code that reads them. */
const vectors: Readonly<Record<string, readonly [password: string, hash: string]>> = {
  // https://www.openwall.com/crypt/, wrapper.c
  bcrypt: ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  // RFC 7914 section 12
  scrypt: [
    'pleaseletmein',
    `$scrypt$ln=14,r=8,p=1$${withoutPadding(Buffer.from('SodiumChloride'))}$${withoutPadding(
      Buffer.from(
        '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
        'hex',
      ),
    )}`,
  ],
  // https://github.com/P-H-C/phc-winner-argon2, test.c
  argon2id: [
    'password',
    `$argon2id$v=19$m=65536,t=2,p=1$${withoutPadding(Buffer.from('somesalt'))}$${withoutPadding(
      Buffer.from('09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7', 'hex'),
    )}`,
  ],
};

async function withSide(
  options: BasicAuthOptions,
  use: (side: TestWorkerSide) => Promise<void>,
): Promise<void> {
  const side = await workerSide([basicAuth(options), roundRobin(), retry()], {
    upstreams: ['http://a:1', 'http://b:1'],
  });
  try {
    await use(side);
  } finally {
    await side.close();
  }
}

const encoded = (text: string): string => Buffer.from(text).toString('base64');
const as = (user: string, password: string, more: RunOptions = {}): RunOptions => ({
  ...more,
  headers: { Authorization: `Basic ${encoded(`${user}:${password}`)}` },
});

test('admits a name with its password, and asks all others for both', async () => {
  await withSide({ users: { ada: sesame }, realm: 'the cave' }, async side => {
    assert.is((await side.run(as('ada', 'open sesame'))).status, 200);
    for (const request of [{}, as('ada', 'open'), as('ada', ''), as('', ''), as('eve', 'open sesame')]) {
      const { status, headers, attempts } = await side.run(request);
      assert.equal(
        [status, headers.get('www-authenticate'), attempts],
        [401, 'Basic realm="the cave", charset="UTF-8"', []],
      );
    }
  });
});

for (const [form, [password, hash]] of Object.entries(vectors)) {
  test(`checks ${form}`, async () => {
    await withSide({ users: { ada: hash } }, async side => {
      assert.is((await side.run(as('ada', password))).status, 200);
      assert.is((await side.run(as('ada', `${password}x`))).status, 401);
    });
  });
}

test('takes no other form of Authorization', async () => {
  await withSide({ users: { ada: sesame } }, async side => {
    const right = encoded('ada:open sesame');
    for (const value of [
      `Bearer ${right}`,
      `Basic ${right} x`,
      `Basic ${right},Basic ${right}`,
      `Basic ${right.replace(/=*$/, '')}*`,
      `Basic`,
      `Basic ${encoded('ada')}`,
      `Basic ${encoded('ada:open\0sesame')}`,
      `Basic ${Buffer.from('ada:\xff', 'latin1').toString('base64')}`,
      `Basic ${encoded(`ada:${'x'.repeat(2000)}`)}`,
    ]) {
      assert.is((await side.run({ headers: { Authorization: value } })).status, 401, value);
    }
    assert.is((await side.run({ headers: { authorization: `bAsIc  ${right}` } })).status, 200);
    const twice: [string, string][] = [
      ['Authorization', `Basic ${right}`],
      ['Authorization', 'Basic x'],
    ];
    assert.is((await side.run({ headers: twice })).status, 401);
  });
});

test('forwards the name to servers if configured, and the password only if configured separately', async () => {
  const told = async (options: Partial<BasicAuthOptions>) => {
    let seen: unknown;
    await withSide({ users: { ada: sesame }, ...options }, async side => {
      const { headers: given } = as('ada', 'open sesame');
      const headers = { ...given, X_Forwarded_User: 'root', 'x-forwarded-user': 'root' } as Record<
        string,
        string
      >;
      const { sent } = await side.run({ headers, answers: ['CONNECT_FAILED', 200] });
      assert.is(sent.length, 2);
      seen = sent.map(({ headers: list }) =>
        [...list]
          .filter(([name]) => /user|auth/i.test(name))
          .map(([name, value]) => [name, value.slice(0, 5)]),
      )[1];
    });
    return seen;
  };
  assert.equal(await told({ userHeader: 'X-Forwarded-User' }), [['X-Forwarded-User', 'ada']]);
  assert.equal(await told({ forward: true, userHeader: 'X-Forwarded-User' }), [
    ['Authorization', 'Basic'],
    ['X-Forwarded-User', 'ada'],
  ]);
});

test('notes the name, and no password', async () => {
  await withSide({ users: { ada: sesame } }, async side => {
    assert.equal((await side.run(as('ada', 'open sesame'))).notes, ['basic-auth: user ada']);
    assert.equal((await side.run(as('ada', 'a secret'))).notes, ['basic-auth: wrong']);
  });
});

test('serves other requests while a password is checked', async () => {
  const slow = '$2b$12$L7rDxBXJI/rC75nE4MHVB.AZPQf0kn7WZ1OZw7C6nr.iDArP5823e';
  await withSide({ users: { ada: sesame, slow } }, async side => {
    await side.run(as('ada', 'open sesame'));
    let over = false;
    const guess = side.run(as('slow', 'x')).then(({ status }) => {
      over = true;
      return status;
    });
    for (let n = 0; n < 10; n++) assert.is((await side.run(as('ada', 'open sesame'))).status, 200);
    assert.not.ok(over);
    assert.is(await guess, 401);
  });
});

test('replies 429 to a client that guesses many at once, and 503 when too many wait', async () => {
  await withSide({ users: { ada: sesame }, queue: 3 }, async side => {
    const guesses = Array.from({ length: 6 }, (_, n) => side.run(as('ada', `guess ${n}`)));
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    assert.equal(statuses, [401, 401, 401, 401, 429, 429]);
    const many = Array.from({ length: 6 }, (_, n) =>
      side.run(as('ada', `guess ${n}`, { clientIp: `192.0.2.${n}` })),
    );
    const results = await Promise.all(many);
    assert.equal(
      results.map(({ status }) => status),
      [401, 401, 401, 401, 503, 503],
    );
    assert.is(results[5]?.headers.get('retry-after'), '1');
  });
});

test('reads the list of a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-basic-auth-'));
  const file = join(folder, 'users');
  try {
    writeFileSync(file, `# people\n\nada:${sesame}\r\nalan:${sesame}:a comment\n`);
    await withSide({ users: `file:${file}` }, async side => {
      for (const name of ['ada', 'alan']) assert.is((await side.run(as(name, 'open sesame'))).status, 200);
    });
    for (const [text, problem] of [
      ['', /has no user/],
      [`ada:${sesame}\nada:${sesame}\n`, /users:2: .*twice/],
      ['ada:open sesame\n', /users:1: the hash is not a password hash/],
      ['ada:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=\n', /begins with \{SHA\}.*htpasswd -nB/],
      ['ada:$apr1$x$y\n', /begins with \$apr1\$/],
    ] as const) {
      writeFileSync(file, text);
      const thrown = await withSide({ users: `file:${file}` }, async () => {}).catch(error => error);
      assert.match(thrown.message, problem);
      assert.not.match(thrown.message, 'sesame');
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('refuses invalid options', async () => {
  for (const [options, problem] of [
    [{}, /users/],
    [{ users: {} }, /no user/],
    [{ users: '/etc/users' }, /file:PATH/],
    [{ users: 'file:/does/not/exist' }, /cannot be read/],
    [{ users: { 'a:b': sesame } }, /without a colon/],
    [{ users: { ada: sesame.replace('$04$', '$20$') } }, /cost of 20/],
    [{ users: { ada: '$scrypt$ln=24,r=8,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA' } }, /MB per check/],
    [
      { users: { ada: '$argon2id$v=19$m=9999999,t=1,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA' } },
      /MB per check/,
    ],
    [{ users: { ada: sesame }, realm: 'a"b' }, /realm/],
    [{ users: { ada: sesame }, userHeader: 'Authorization' }, /X-Forwarded-User/],
    [{ users: { ada: sesame }, userHeader: 'Connection' }, /X-Forwarded-User/],
  ] as const) {
    const thrown = await withSide(options as unknown as BasicAuthOptions, async () => {}).catch(
      error => error,
    );
    assert.is(thrown.code, 'CONFIG_INVALID', JSON.stringify(options));
    assert.match(thrown.message, problem);
  }
});
