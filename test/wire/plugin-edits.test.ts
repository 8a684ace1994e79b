// Plugins' changes to a request or response cannot break framing or grammar.
import * as assert from 'uvu/assert';
import type { ProxyContext } from '../../core/request/context.ts';
import { reply } from '../../core/request/reply.ts';
import { suite } from '../support/suite.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, ok, ScriptedOrigin, type SeenRequest } from './support/scripted-origin.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';

const test = suite('edits by plugins');
const canary = 'GET /canary HTTP/1.1\r\nHost: a.test\r\n\r\n';

interface Edits {
  readonly request?: (ctx: ProxyContext) => void;
  readonly response?: (ctx: ProxyContext) => void;
  readonly answer?: (request: SeenRequest) => string;
}

function setStatus({ response }: ProxyContext, status: number): void {
  if (response !== undefined) response.status = status;
}

/** Runs `use` with a proxy whose plugin edits the requests and responses of `/edit`. */
async function withEdits(
  { request, response, answer }: Edits,
  use: (client: RawClient, origin: ScriptedOrigin, proxy: TestProxy) => Promise<void>,
): Promise<void> {
  const origin = await ScriptedOrigin.start({
    answer: seen => (seen.target === '/canary' || answer === undefined ? echo(seen) : answer(seen)),
  });
  const edited = new WeakSet<ProxyContext>();
  const proxy = await startProxy({
    upstreams: [origin.url],
    tap(hooks) {
      hooks.preProxy.tap('edits', ctx => {
        if (!ctx.request.target.startsWith('/edit')) return undefined;
        edited.add(ctx);
        request?.(ctx);
        return undefined;
      });
      hooks.postProxy.tap('edits', ctx => {
        if (edited.has(ctx)) response?.(ctx);
        return undefined;
      });
    },
  });
  const client = await RawClient.open(proxy.port);
  try {
    await use(client, origin, proxy);
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
}

const decodedTargets = [
  '/a b',
  '/a\r\nX-Injected: 1',
  '/a HTTP/1.1\r\n\r\nGET /smuggled',
  '',
  'a',
  '/\u010d\u010a',
  '/\xe9',
  '/a#b',
  '/\x00',
];

for (const target of decodedTargets) {
  test(`a target ${JSON.stringify(target)} made by a plugin is refused (CVE-2023-25690, CVE-2018-12116)`, async () => {
    const request = (ctx: ProxyContext): void => {
      ctx.outgoing.target = target;
    };
    await withEdits({ request }, async (client, origin, proxy) => {
      client.send('GET /edit HTTP/1.1\r\nHost: a.test\r\n\r\n');
      assert.is(statusOf(await client.response()), 500);
      assert.equal([origin.requests.length, origin.unread, origin.problems], [0, '', []]);
      assert.ok(proxy.log.some(line => line.level === 'error'));
    });
  });
}

for (const method of ['', 'GE T', 'GET\r\nX: y', 'G\u0130T', 'CONNECT']) {
  test(`a method ${JSON.stringify(method)} made by a plugin is refused`, async () => {
    const request = (ctx: ProxyContext): void => {
      ctx.outgoing.method = method;
    };
    await withEdits({ request }, async (client, origin) => {
      client.send('GET /edit HTTP/1.1\r\nHost: a.test\r\n\r\n');
      assert.is(statusOf(await client.response()), 500);
      assert.equal([origin.requests.length, origin.unread, origin.problems], [0, '', []]);
    });
  });
}

test('a valid target and method that a plugin sets reach the origin', async () => {
  const request = (ctx: ProxyContext): void => {
    ctx.outgoing.method = 'PUT';
    ctx.outgoing.target = '/else?x';
    ctx.outgoing.headers.set('X-New', 'y');
  };
  await withEdits({ request }, async (client, origin) => {
    client.send('POST /edit HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi');
    await client.response();
    assert.is(origin.requests[0]?.line, 'PUT /else?x HTTP/1.1');
    assert.is(origin.requests[0]?.body, 'hi');
  });
});

test('a field that a plugin set or deleted in the head does not pass as a trailer, in any spelling (CVE-2025-12642)', async () => {
  const request = ({ outgoing: { headers } }: ProxyContext): void => {
    headers.set('X-User', 'ada');
    headers.delete('X-Role');
    headers.append('X-Trace', '1');
  };
  await withEdits({ request }, async (client, origin) => {
    const late = 'x_user: root\r\nX-User: root\r\nX.Role: admin\r\nX-Trace: 2\r\nX-Sum: 7\r\n';
    const head = 'POST /edit HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n';
    client.send(`${head}2\r\nhi\r\n0\r\n${late}\r\n`);
    await client.response();
    const [{ raw } = { raw: '' }] = origin.requests;
    assert.match(raw, '\r\nX-User: ada\r\n');
    assert.match(raw, /\r\n0\r\nX-Trace: 2\r\nX-Sum: 7\r\n\r\n$/);
  });
});

const trusted: readonly (readonly [how: string, edit: (ctx: ProxyContext) => void])[] = [
  ['before anything was edited', () => {}],
  ['after the fields were read', ctx => void ctx.outgoing.headers.get('X-User')],
  ['after an edit', ctx => void ctx.outgoing.headers.set('X-New', '1')],
];

for (const [how, edit] of trusted) {
  test(`the field of a request's id and its trace, set ${how}, do not pass as trailers, in any spelling`, async () => {
    const request = (ctx: ProxyContext): void => {
      edit(ctx);
      ctx.identify('one', 'X-Id');
      const traceId = '0af7651916cd43dd8448eb211c80319c';
      ctx.joinTrace({
        traceId,
        sampled: true,
        traceparent: `00-${traceId}-b7ad6b7169203331-01`,
        continued: false,
      });
    };
    await withEdits({ request }, async (client, origin) => {
      const late =
        'X_Id: forged\r\nx-id: forged\r\nTraceParent: forged\r\ntracestate: forged\r\nX-Sum: 7\r\n';
      const head = 'POST /edit HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n';
      client.send(`${head}2\r\nhi\r\n0\r\n${late}\r\n`);
      await client.response();
      const [{ raw } = { raw: '' }] = origin.requests;
      assert.match(raw, '\r\nX-Id: one\r\n');
      assert.match(raw, /\r\n0\r\nX-Sum: 7\r\n\r\n$/);
    });
  });
}

test('the target * that a plugin sets reaches the origin only with OPTIONS', async () => {
  for (const method of ['OPTIONS', 'GET'] as const) {
    const request = (ctx: ProxyContext): void => {
      ctx.outgoing.target = '*';
      ctx.outgoing.method = method;
    };
    await withEdits({ request }, async (client, origin) => {
      client.send(`POST /edit HTTP/1.1\r\nHost: a.test\r\n\r\n${canary}`);
      const [first, second] = await client.responses('POST', 'GET');
      assert.is(first && statusOf(first), method === 'GET' ? 500 : 200);
      assert.is(second && statusOf(second), 200);
      const lines = method === 'GET' ? [] : ['OPTIONS * HTTP/1.1'];
      assert.equal(
        origin.requests.map(({ line }) => line),
        [...lines, 'GET /canary HTTP/1.1'],
      );
    });
  }
});

test('a HEAD that a plugin changes to GET still gets no body', async () => {
  const request = (ctx: ProxyContext): void => {
    ctx.outgoing.method = 'GET';
  };
  await withEdits({ request }, async client => {
    client.send(`HEAD /edit HTTP/1.1\r\nHost: a.test\r\n\r\n${canary}`);
    const [first, second] = await client.responses('HEAD', 'GET');
    assert.is(first && statusOf(first), 200);
    assert.is(second?.body, '[GET /canary HTTP/1.1|]');
  });
});

test('a GET that a plugin changes to HEAD gets a response without a body', async () => {
  const request = (ctx: ProxyContext): void => {
    ctx.outgoing.method = 'HEAD';
  };
  await withEdits({ request }, async client => {
    client.send(`GET /edit HTTP/1.1\r\nHost: a.test\r\n\r\n${canary}`);
    const [first, second] = await client.responses('GET', 'GET');
    assert.equal([first?.framing, first?.body], ['length', '']);
    assert.is(second?.body, '[GET /canary HTTP/1.1|]');
  });
});

const bodies = {
  length: ok('abc'),
  chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n',
};
for (const [framing, sent] of Object.entries(bodies)) {
  for (const status of [204, 304]) {
    test(`a 200 with a ${framing} body that a plugin changes to ${status} is sent without a body`, async () => {
      const response = (ctx: ProxyContext): void => {
        setStatus(ctx, status);
      };
      await withEdits({ response, answer: () => sent }, async client => {
        client.send(`GET /edit HTTP/1.1\r\nHost: a.test\r\n\r\n${canary}`);
        const [first, second] = await client.responses('GET', 'GET');
        assert.is(first && statusOf(first), status);
        assert.is(second?.body, '[GET /canary HTTP/1.1|]');
      });
    });
  }
}

for (const status of [0, 99, 100, 101, 199, 600, 1000, 200.5, Number.NaN]) {
  test(`a status of ${status} set by a plugin is refused`, async () => {
    const response = (ctx: ProxyContext): void => {
      if (ctx.error === undefined) setStatus(ctx, status);
    };
    await withEdits({ response }, async client => {
      client.send(`GET /edit HTTP/1.1\r\nHost: a.test\r\n\r\n${canary}`);
      const [first, second] = await client.responses('GET', 'GET');
      assert.is(first && statusOf(first), 500);
      assert.is(second?.body, '[GET /canary HTTP/1.1|]');
    });
  });
}

const held = {
  'an empty body': 'Content-Length: 0\r\n\r\n',
  'a body': 'Content-Length: 3\r\n\r\nabc',
  chunks: 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  trailers: 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n',
  'a second response after an empty body':
    'Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong',
  'a second response after a body':
    'Content-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong',
};
for (const [what, rest] of Object.entries(held)) {
  test(`a response with ${what} waits for an asynchronous plugin, and the next request still gets its own`, async () => {
    const origin = await ScriptedOrigin.start({
      answer(seen) {
        if (seen.target === '/canary') return echo(seen);
        seen.connection.send('HTTP/1.1 200 OK\r\n');
        setTimeout(() => seen.connection.send(rest), 5);
        return undefined;
      },
    });
    const proxy = await startProxy({
      upstreams: [origin.url],
      tap: hooks =>
        hooks.postProxy.tapPromise('slow', async ctx => {
          await new Promise(resolve => setTimeout(resolve, 15));
          ctx.response?.headers.set('X-Seen', 'yes');
          return undefined;
        }),
    });
    const client = await RawClient.open(proxy.port);
    client.send(`GET /held HTTP/1.1\r\nHost: a.test\r\n\r\n${canary}`);
    const [first, second] = await client.responses('GET', 'GET');
    assert.equal(first && valuesOf(first, 'x-seen'), ['yes']);
    assert.is(first?.body, what.includes('empty') ? '' : 'abc');
    assert.is(second?.body, '[GET /canary HTTP/1.1|]');
    assert.is(client.parse(['GET', 'GET']).rest, '');
    client.close();
    proxy.close();
    await origin.close();
  });
}

test('a status that a plugin sets gets its own reason phrase', async () => {
  const response = (ctx: ProxyContext): void => {
    setStatus(ctx, 404);
  };
  await withEdits({ response }, async client => {
    client.send('GET /edit HTTP/1.1\r\nHost: a.test\r\n\r\n');
    assert.is((await client.response()).line, 'HTTP/1.1 404 Not Found');
  });
});

test('framing fields that a plugin sets are not sent', async () => {
  const edit = (ctx: ProxyContext): void => {
    for (const list of [ctx.outgoing.headers, ctx.response?.headers]) {
      if (list === undefined) continue;
      list.set('Content-Length', '99');
      list.set('Transfer-Encoding', 'chunked');
      list.set('Connection', 'close');
    }
  };
  await withEdits({ request: edit, response: edit }, async (client, origin) => {
    client.send(`POST /edit HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi${canary}`);
    const [first, second] = await client.responses('POST', 'GET');
    assert.is(first?.body, '[POST /edit HTTP/1.1|hi]');
    assert.is(second?.body, '[GET /canary HTTP/1.1|]');
    assert.equal(origin.problems, []);
  });
});

test('a reply with its own framing fields is framed by its body', async () => {
  const proxy = await startProxy({
    tap: hooks =>
      hooks.request.tap('reply', () =>
        reply(200, 'grün', {
          'content-length': '1',
          'transfer-encoding': 'chunked',
          connection: 'close',
          'x-a': 'b',
        }),
      ),
  });
  const client = await RawClient.open(proxy.port);
  client.send(canary + canary.replace('GET', 'HEAD') + canary);
  const [first, head, last] = await client.responses('GET', 'HEAD', 'GET');
  assert.is(Buffer.from(first?.body ?? '', 'latin1').toString(), 'grün');
  assert.equal([head?.body, last?.body], ['', first?.body]);
  client.close();
  proxy.close();
});

test('a header with a line break cannot be set', async () => {
  for (const value of ['a\r\nX: y', 'a\n', '\r', '\x00', 'č']) {
    const response = (ctx: ProxyContext): void => {
      if (ctx.error === undefined) ctx.response?.headers.set('X-Copy', value);
    };
    await withEdits({ response }, async client => {
      client.send('GET /edit HTTP/1.1\r\nHost: a.test\r\n\r\n');
      const got = await client.response();
      assert.is(statusOf(got), 500);
      assert.not.match(client.text, 'X: y');
    });
  }
});
