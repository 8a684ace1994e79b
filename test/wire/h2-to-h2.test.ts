// HTTP/2 on both sides: what HTTP/1.1 cannot carry passes. Both ends are node:http2.
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  sensitiveHeaders,
} from 'node:http2';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { bodyOf, H2Origin } from './support/h2-origin.ts';
import { type ProxyOptions, startProxy } from './support/proxy.ts';

const test = suite('HTTP/2 on both sides');

/** What one end has received. */
interface Message {
  readonly headers: IncomingHttpHeaders;
  body: string;
  trailers: IncomingHttpHeaders;
}

/** What one end sends. Without a body, the head ends the stream. */
interface Sent {
  readonly headers: OutgoingHttpHeaders;
  readonly body?: string;
  readonly trailers?: OutgoingHttpHeaders;
}

interface Ends {
  readonly requests: Message[];
  ask(sent: Sent): Promise<Message>;
}

async function between(
  answer: Sent,
  use: (ends: Ends) => Promise<void>,
  options: ProxyOptions = {},
): Promise<void> {
  const requests: Message[] = [];
  const origin = await H2Origin.start(({ stream, headers, trailers }, response) => {
    const seen: Message = { headers, body: '', trailers: {} };
    requests.push(seen);
    void bodyOf(stream).then(body => {
      seen.body = String(body);
      seen.trailers = trailers;
      respond(response.stream, answer);
    });
  });
  const proxy = await startProxy({ upstreams: [origin.url], http2: true, ...options });
  const session = connect(`http://127.0.0.1:${proxy.port}`);
  session.on('error', () => {});
  try {
    await use({ requests, ask: sent => ask(session, sent) });
  } finally {
    session.destroy();
    proxy.close();
    await origin.close();
  }
}

function respond(stream: ServerHttp2Stream, { headers, body, trailers }: Sent): void {
  stream.respond(headers, { waitForTrailers: trailers !== undefined, endStream: body === undefined });
  // The response object would send its own trailers.
  stream.removeAllListeners('wantTrailers');
  stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
  if (body !== undefined) stream.end(body);
}

async function ask(session: ClientHttp2Session, { headers, body, trailers }: Sent): Promise<Message> {
  const stream = session.request(
    { ':path': '/', ...headers },
    { waitForTrailers: trailers !== undefined, endStream: body === undefined },
  );
  stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
  if (body !== undefined) stream.end(body);
  let received: IncomingHttpHeaders = {};
  stream.on('trailers', given => {
    received = given;
  });
  const [head] = await once(stream, 'response');
  return { headers: head, body: String(await bodyOf(stream)), trailers: received };
}

test('trailers go both ways after a body of an announced length', async () => {
  const answer = {
    headers: { 'content-length': 4 },
    body: 'done',
    trailers: { 'grpc-status': '5', 'x-sum': 'abc' },
  };
  await between(answer, async ({ ask, requests }) => {
    const { headers, body, trailers } = await ask({
      headers: { ':method': 'POST', 'content-length': 4 },
      body: 'text',
      trailers: { 'x-check': 'a' },
    });
    assert.equal([headers['content-length'], body], ['4', 'done']);
    assert.equal([trailers['grpc-status'], trailers['x-sum']], ['5', 'abc']);
    const [request] = requests;
    assert.equal(
      [request?.headers['content-length'], request?.body, request?.trailers['x-check']],
      ['4', 'text', 'a'],
    );
  });
});

test('a body of announced length without trailers is complete for a slow client', async () => {
  const body = 'x'.repeat(300_000);
  await between({ headers: { 'content-length': body.length }, body }, async ({ ask }) => {
    const answers = await Promise.all([1, 2, 3].map(() => ask({ headers: {} })));
    for (const answer of answers) assert.is(answer.body.length, body.length);
  });
});

/** The names of received fields that must stay out of tables. */
function marked(headers: IncomingHttpHeaders = {}): string[] {
  const names: unknown = Reflect.get(headers, sensitiveHeaders);
  assert.ok(Array.isArray(names));
  return names.map(String).sort();
}

test('a never-indexed field stays never-indexed, in requests and responses (RFC 7541 section 6.2.3)', async () => {
  const answer = {
    headers: { 'x-secret': 'b', 'x-public': 'c', [sensitiveHeaders]: ['x-secret'] },
    body: 'done',
    trailers: { 'x-late': 'd', [sensitiveHeaders]: ['x-late'] },
  };
  await between(answer, async ({ ask, requests }) => {
    for (let n = 0; n < 3; n++) {
      const { headers, trailers } = await ask({
        headers: {
          ':path': '/token/7',
          'x-token': 'a',
          'x-open': 'b',
          [sensitiveHeaders]: [':path', 'x-token'],
        },
      });
      assert.equal([headers['x-secret'], marked(headers)], ['b', ['x-secret']]);
      assert.equal([trailers['x-late'], marked(trailers)], ['d', ['x-late']]);
      assert.equal([requests[n]?.headers['x-token'], requests[n]?.headers[':path']], ['a', '/token/7']);
      assert.equal(marked(requests[n]?.headers), [':path', 'x-token']);
    }
  });
});

test('a never-indexed field that a plugin changes stays never-indexed', async () => {
  const tap: ProxyOptions['tap'] = hooks => {
    hooks.preProxy.tap('edit', ctx => void ctx.outgoing.headers.set('x-token', 'edited'));
    hooks.respond.tap('edit', ctx => void ctx.response?.headers.append('x-added', '1'));
  };
  const answer = { headers: { 'x-secret': 'b', [sensitiveHeaders]: ['x-secret'] } };
  const use = async ({ ask, requests }: Ends): Promise<void> => {
    const { headers } = await ask({ headers: { 'x-token': 'a', [sensitiveHeaders]: ['x-token'] } });
    assert.equal([requests[0]?.headers['x-token'], marked(requests[0]?.headers)], ['edited', ['x-token']]);
    assert.equal([headers['x-added'], marked(headers)], ['1', ['x-secret']]);
  };
  await between(answer, use, { tap });
});
