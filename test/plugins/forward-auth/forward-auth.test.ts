// The forward-auth plugin against a real auth server: what it receives, and what its answers cause.
import type { IncomingMessage, RequestListener } from 'node:http';
import * as assert from 'uvu/assert';
import { settle, type TestWorkerSide, workerSide } from '../../../core/testing.ts';
import { type ForwardAuthOptions, forwardAuth } from '../../../plugins/forward-auth/index.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('forward-auth');

interface Ends {
  readonly side: TestWorkerSide;
  readonly auth: Origin;
  /** The requests that the auth server got. */
  readonly asked: IncomingMessage[];
}

async function withAuth(
  handle: RequestListener,
  use: (ends: Ends) => Promise<void>,
  options: Partial<ForwardAuthOptions> = {},
): Promise<void> {
  const asked: IncomingMessage[] = [];
  const auth = await startOrigin({
    handle(request, response) {
      asked.push(request);
      handle(request, response);
    },
  });
  const plugins = [forwardAuth({ url: `${auth.url}/verify?x=1`, ...options }), roundRobin(), retry()];
  const side = await workerSide(plugins, { upstreams: ['http://a:1', 'http://b:1'] });
  try {
    await use({ side, auth, asked });
  } finally {
    await side.close();
    await auth.close();
  }
}

const admit: RequestListener = (_, response) => void response.end();

test('passes requests that the auth server answers with 2xx, asked once for all attempts', async () => {
  for (const status of [200, 204, 202]) {
    await withAuth(
      (_, response) => void response.writeHead(status).end(),
      async ({ side, asked }) => {
        const result = await side.run({ answers: ['CONNECT_FAILED', 200] });
        assert.equal([result.status, result.attempts.length, asked.length], [200, 2, 1]);
      },
    );
  }
});

test('sends it the request line and the client, and nothing of the body', async () => {
  await withAuth(admit, async ({ side, asked }) => {
    await side.run({
      method: 'POST',
      target: '/%61/b?c=/../%61',
      host: 'shop.test',
      scheme: 'https',
      bodyLength: 5,
      clientIp: '2001:db8::1',
      headers: [
        ['Cookie', 'a=b'],
        ['Authorization', 'Bearer x'],
        ['X-Many', '1'],
        ['X-Many', '2'],
        ['Content-Type', 'text/plain'],
        ['Range', 'bytes=0-1'],
        ['If-None-Match', '"x"'],
        ['Accept-Encoding', 'br'],
        ['Expect', '100-continue'],
        ['__proto__', 'x'],
        ['X-Forwarded-For', '10.0.0.1'],
        ['X_Forwarded_Uri', '/open'],
        ['X-Forwarded-User', 'root'],
        ['X-Original-URI', '/open'],
        ['Forwarded', 'for=10.0.0.1'],
      ],
    });
    const [{ method, url, headers } = { headers: {} }] = asked;
    assert.equal([method, url], ['GET', '/verify?x=1']);
    const { host, connection, ...told } = headers;
    assert.ok(host !== 'shop.test' && connection === 'keep-alive');
    assert.equal(
      { ...told },
      {
        cookie: 'a=b',
        authorization: 'Bearer x',
        'x-many': '1, 2',
        'x-forwarded-method': 'POST',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'shop.test',
        'x-forwarded-uri': '/a/b?c=/../%61',
        'x-forwarded-for': '2001:db8::1',
      },
    );
  });
});

test('refuses a second Authorization, which a server could read instead of the one that was checked', async () => {
  const headers: [string, string][] = [
    ['Authorization', 'Bearer x'],
    ['authorization', 'Bearer y'],
  ];
  await withAuth(admit, async ({ side, asked }) => {
    assert.equal([(await side.run({ headers })).status, asked.length], [400, 0]);
  });
  await withAuth(admit, async ({ side }) => assert.is((await side.run({ headers })).status, 200), {
    requestHeaders: ['Cookie'],
  });
});

test('sends it only the configured fields', async () => {
  await withAuth(
    admit,
    async ({ side, asked }) => {
      await side.run({
        clientIp: 'unix:',
        headers: { Cookie: 'a=b', Authorization: 'x', 'X-Forwarded-For': '1' },
      });
      const names = Object.keys(asked[0]?.headers ?? {}).filter(name => !/^(host|connection)$/.test(name));
      assert.equal(names.sort(), [
        'cookie',
        'x-forwarded-host',
        'x-forwarded-method',
        'x-forwarded-proto',
        'x-forwarded-uri',
      ]);
    },
    { requestHeaders: ['Cookie', 'X-Forwarded-For', 'Content-Length'] },
  );
});

test('forwards its fields to servers, and drops those of clients with the same names', async () => {
  const handle: RequestListener = ({ headers }, response) => {
    if (headers['cookie'] !== undefined)
      response.setHeader('x-user', 'ada').setHeader('X-Groups', ['a', 'b']);
    response.setHeader('x-other', '1').end();
  };
  const spoofed = { X_User: 'root', 'x-user': 'root', 'X-Groups': 'admin' };
  await withAuth(
    handle,
    async ({ side }) => {
      const sentWith = async (headers: Record<string, string>) =>
        [...((await side.run({ headers })).sent[0]?.headers ?? [])].filter(([name]) =>
          /user|groups|other/i.test(name),
        );
      assert.equal(await sentWith({ ...spoofed, Cookie: 'x' }), [
        ['X-User', 'ada'],
        ['X-Groups', 'a'],
        ['X-Groups', 'b'],
      ]);
      assert.equal(await sentWith(spoofed), []);
    },
    { responseHeaders: ['X-User', 'X-Groups'] },
  );
});

test('passes its refusal to clients, with fields and body', async () => {
  const handle: RequestListener = (_, response) => {
    response.writeHead(
      302,
      [
        ['Location', 'https://login.test/?rd=x'],
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['Content-Type', 'text/html'],
        ['Connection', 'x-hop'],
      ].flat(),
    );
    response.end('<a href="https://login.test/">');
  };
  await withAuth(handle, async ({ side }) => {
    const { status, headers, reply, attempts } = await side.run();
    assert.equal(
      [status, headers.get('location'), headers.getAll('set-cookie'), headers.get('content-type')],
      [302, 'https://login.test/?rd=x', ['a=1', 'b=2'], 'text/html'],
    );
    assert.equal([headers.has('connection'), headers.has('content-length'), attempts], [false, false, []]);
    assert.is(Buffer.from(reply?.body ?? '').toString(), '<a href="https://login.test/">');
  });
  await withAuth(
    (_, response) => void response.writeHead(401, { 'www-authenticate': 'Basic' }).end('x'.repeat(2000)),
    async ({ side }) => {
      const { status, headers, reply } = await side.run();
      assert.equal([status, headers.get('www-authenticate'), reply?.body], [401, 'Basic', '']);
    },
    { maxBody: 1000 },
  );
});

test('fails closed when it answers anything else, or nothing', async () => {
  for (const handle of [
    (_, response) => void response.writeHead(500).end(),
    (_, response) => void response.writeHead(503).end(),
    (_, response) => void response.writeHead(304).end(),
    (_, response) => void response.destroy(),
    (_, response) =>
      void response.writeHead(403, { 'content-length': 10 }).write('x', () => response.destroy()),
    ({ socket }) => void socket.end('nonsense\r\n\r\n'),
    ({ socket }) =>
      void socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
  ] satisfies RequestListener[]) {
    await withAuth(handle, async ({ side }) => {
      const { status, headers, attempts } = await side.run();
      assert.equal([status, headers.get('retry-after'), attempts], [503, '5', []], String(handle));
      assert.match(side.logs.at(-1)?.msg ?? '', /made no decision/);
    });
  }
  const url = `http://127.0.0.1:${await freePort()}`;
  await withAuth(admit, async ({ side }) => assert.is((await side.run()).status, 503), { url });
});

test('waits no longer than its timeout', async () => {
  await withAuth(
    () => {},
    async ({ side, auth }) => {
      const running = side.run();
      await until('it is asked', () => auth.inFlight === 1);
      side.clock.advance(1999);
      await settle();
      assert.is(auth.inFlight, 1);
      side.clock.advance(1);
      assert.is((await running).status, 503);
      assert.match(side.logs.at(-1)?.msg ?? '', /did not answer within 2000 ms/);
      await until('the question is abandoned', () => auth.inFlight === 0);
    },
    { timeout: '2s' },
  );
});

test('bounds how many questions are in progress', async () => {
  const held: (() => void)[] = [];
  await withAuth(
    (_, response) => void held.push(() => response.end()),
    async ({ side }) => {
      const running = [side.run(), side.run()];
      await until('two are asked', () => held.length === 2);
      assert.is((await side.run()).status, 503);
      for (const end of held.splice(0)) end();
      assert.equal(
        (await Promise.all(running)).map(({ status }) => status),
        [200, 200],
      );
      const again = side.run();
      await until('there is room again', () => held.length === 1);
      held[0]?.();
      assert.is((await again).status, 200);
    },
    { concurrency: 2 },
  );
});

test('keeps connections, and asks again when one has just been closed', async () => {
  await withAuth(admit, async ({ side, auth }) => {
    for (let n = 0; n < 5; n++) assert.is((await side.run()).status, 200);
    assert.is(auth.connections, 1);
  });
  let requests = 0;
  const handle: RequestListener = (request, response) => {
    if (++requests === 2) request.socket.destroy();
    else response.end();
  };
  await withAuth(handle, async ({ side }) => {
    for (let n = 0; n < 3; n++) assert.is((await side.run()).status, 200);
    assert.is(requests, 4);
  });
});

test('refuses ambiguous paths, unless configured to ask', async () => {
  const targets = ['/a%2Fb', '/a//b', '/a;x/b', '/a/..%2fb', '/a%00', '/%'];
  await withAuth(admit, async ({ side, asked }) => {
    for (const target of targets) assert.is((await side.run({ target })).status, 400, target);
    assert.is(asked.length, 0);
    for (const target of ['/a', '/%41', '/a%20b', '/a?x=//%2F'])
      assert.is((await side.run({ target })).status, 200, target);
    assert.equal(
      asked.map(({ headers }) => headers['x-forwarded-uri']),
      ['/a', '/A', '/a%20b', '/a?x=//%2F'],
    );
  });
  await withAuth(
    admit,
    async ({ side }) => {
      for (const target of targets) assert.is((await side.run({ target })).status, 200, target);
    },
    { ambiguousPaths: 'send' },
  );
});

test('passes its cookies to admitted clients, if configured', async () => {
  const handle: RequestListener = (_, response) =>
    void response.setHeader('set-cookie', ['s=1', 't=2']).end();
  const answers = [{ status: 200, headers: { 'Set-Cookie': 'app=1' } }];
  await withAuth(
    handle,
    async ({ side }) =>
      assert.equal((await side.run({ answers })).headers.getAll('set-cookie'), ['app=1', 's=1', 't=2']),
    { setCookie: true },
  );
  await withAuth(handle, async ({ side }) =>
    assert.equal((await side.run({ answers })).headers.getAll('set-cookie'), ['app=1']),
  );
});

test('refuses invalid options', async () => {
  for (const options of [
    {},
    { url: 'auth.internal' },
    { url: 'ftp://auth.internal' },
    { url: 'http://user:secret@auth.internal' },
    { url: 'http://a', responseHeaders: ['Content-Length'] },
    { url: 'http://a', responseHeaders: ['Host'] },
    { url: 'http://a', requestHeaders: ['a b'] },
    { url: 'http://a', timeout: 0 },
    { url: 'http://a', concurrency: 0 },
  ]) {
    const thrown = await workerSide(forwardAuth(options as ForwardAuthOptions)).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID', JSON.stringify(options));
  }
});
