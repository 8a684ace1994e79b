// Each filter in each place against each way to write a request, in both protocols: no server receives a request that a
// filter refuses, and every marked request is marked.
import * as assert from 'uvu/assert';
import { startWeldr } from '../../config/index.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import {
  type Asked,
  type Attempt,
  attempts,
  bytesOf,
  hostAttempts,
  otherHosts,
  sendTo,
} from './support/bypass-attempts.ts';
import { guardedPlaces, hostOf, type Kind, kinds, pathOf, places } from './support/guarded-places.ts';
import { H2Client } from './support/h2-client.ts';
import { serversOfProtected } from './support/path-servers.ts';
import { spellings } from './support/path-spellings.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin, type SeenRequest } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

/** The statuses with which Weldr itself refuses requests. */
const ofWeldr = [400, 405, 417, 501];

let guarded: ScriptedOrigin;
let busy: ScriptedOrigin;
let auth: ScriptedOrigin;
let weldr: Awaited<ReturnType<typeof startWeldr>>;
let ports: readonly number[] = [];
const held: RawClient[] = [];

const without = (method: string, response: string): string =>
  method === 'HEAD' ? response.slice(0, response.indexOf('\r\n\r\n') + 4) : response;

function answer({ target, method }: SeenRequest): string | undefined {
  if (/\/hold$|\/hasty\//i.test(target)) return undefined;
  if (target.endsWith('/fail')) return 'HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n';
  const fields = ['Content-Type: text/plain', 'Access-Control-Allow-Origin: *'];
  return without(method, ok(`served ${target}`, ...fields));
}

/** The parts of a response that tests check. */
interface Answer {
  /** 0: none, the stream was reset. */
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
}

async function ask1(port: number, attempt: Attempt, asked: Asked): Promise<Answer> {
  const client = await RawClient.open(port);
  try {
    client.send(bytesOf(attempt, asked));
    const message = await client.response(attempt.method ?? 'GET');
    const fields = message.fields.map(([name, value]): [string, string] => [name.toLowerCase(), value]);
    return { status: statusOf(message), fields: new Map(fields) };
  } finally {
    client.close();
  }
}

async function ask2(client: H2Client, attempt: Attempt, asked: Asked): Promise<Answer> {
  const { heads } = await client.over(sendTo(client, attempt, asked));
  const head = heads.find(
    fields => !fields.some((field, n) => field === ':status' && fields[n + 1] === '100'),
  );
  const fields = new Map<string, string>();
  for (let n = 0; n + 1 < (head?.length ?? 0); n += 2) fields.set(head?.[n] ?? '', head?.[n + 1] ?? '');
  return { status: Number(fields.get(':status') ?? 0), fields };
}

type Tried = Answer & { readonly what: string; readonly attempt: Attempt };

/** Tries all at once, each at a separate path; attempts that every filter refuses, and resets, use another session. */
async function tryAll(
  all: Readonly<Record<string, Attempt>>,
  { host, path }: Asked,
  port = ports[0] ?? 0,
): Promise<Tried[]> {
  const client = await H2Client.open(port);
  const strange = await H2Client.open(port);
  try {
    const asked = Object.entries(all).flatMap(([what, attempt], n) => {
      const place = { host, path: `${path}/x${n}` };
      const tried = async (protocol: string, answered: Promise<Answer>): Promise<Tried> => ({
        what: `${what} over ${protocol}, /x${n}`,
        attempt,
        ...(await answered),
      });
      const one = attempt.only === 'h2' ? [] : [tried('HTTP/1.1', ask1(port, attempt, place))];
      if (attempt.only === 'h1') return one;
      return [...one, tried('HTTP/2', ask2(attempt.refused === true ? strange : client, attempt, place))];
    });
    return await Promise.all(asked);
  } finally {
    client.close();
    strange.close();
  }
}

/** No server received any of them, and each was refused by the filter, or by Weldr as invalid. */
async function expectRefused(
  all: Readonly<Record<string, Attempt>>,
  asked: Asked,
  { statuses }: Pick<Kind, 'statuses'>,
  port?: number,
): Promise<void> {
  guarded.forget();
  for (const { what, status, fields, attempt } of await tryAll(all, asked, port)) {
    const isOfGrpc = fields.has('grpc-status') && fields.get('grpc-status') !== '0';
    // A body that is still arriving is not sent again: the client gets the busy server's response.
    const isOfBusy = status === 503 && attempt.body !== undefined && asked.path.endsWith('/retry');
    const wanted = attempt.refused === true ? [...ofWeldr, ...statuses, 0] : [...statuses, 400];
    assert.ok(wanted.includes(status) || isOfGrpc || isOfBusy, `${what}: ${status}`);
  }
  assert.equal(
    guarded.requests.map(({ line }) => line),
    [],
  );
}

/** The most telling attempts, for places where filters only join other taps. */
const some = Object.fromEntries(
  Object.entries(attempts).filter(([what]) =>
    /^(?:a GET|a HEAD|a Post|a body|an absolute target$|another address, as proxies|HTTP|an upgrade to Web|dot|capital)/.test(
      what,
    ),
  ),
);

const test = suite('each filter');

test.before(async () => {
  [guarded, busy, auth] = await Promise.all([
    ScriptedOrigin.start({ answer }),
    ScriptedOrigin.start({
      answer: ({ method }) => without(method, 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy'),
    }),
    ScriptedOrigin.start({ answer: () => 'HTTP/1.1 403 Closed\r\nContent-Length: 0\r\n\r\n' }),
  ]);
  const servers = {
    guarded: guarded.url,
    busy: busy.url,
    auth: auth.url,
    closedPort: await freePort(),
  };
  weldr = await startWeldr({ ...guardedPlaces(servers), logLevel: 'silent' });
  ports = weldr.addresses.map(address => Number(address.slice(address.lastIndexOf(':') + 1)));
  for (const [kind, { first }] of Object.entries(kinds)) if (first !== undefined) await spend(kind, first);
});

test.after(async () => {
  for (const client of held) client.close();
  await weldr.close();
  await Promise.all([guarded, busy, auth].map(origin => origin.close()));
});

/** Makes a filter refuse from now on, in each of its places. Fallback and retry lead to the pool's filter. */
async function spend(kind: string, first: NonNullable<Kind['first']>): Promise<void> {
  const asked = ['before', 'after', 'route', 'pool'].map(place => ({
    host: 'a.test',
    path: `${pathOf(kind, place)}/${first}`,
  }));
  asked.push({ host: hostOf(kind), path: `/${first}` });
  for (const { host, path } of asked) {
    const before = guarded.requests.length;
    const client = await RawClient.open(ports[0] ?? 0);
    held.push(client);
    client.send(bytesOf({}, { host, path }));
    await client.until(`${path} at the server`, () => guarded.requests.length > before);
    if (first !== 'hold') await client.response();
  }
}

test('lets through other requests, in every form that is tried here', async () => {
  guarded.forget();
  const all = { ...attempts, ...otherHosts, ...hostAttempts };
  for (const { what, status, attempt } of await tryAll(all, { host: 'free.test', path: '/free' })) {
    if (attempt.refused === true) assert.ok([...ofWeldr, 0].includes(status), `${what}: ${status}`);
    else assert.is(status, 200, what);
  }
});

for (const [kind, about] of Object.entries(kinds)) {
  for (const place of places) {
    const all = place === 'after' ? { ...attempts, ...otherHosts } : some;
    test(`${kind} refuses all requests: ${place}`, () =>
      expectRefused(all, { host: 'a.test', path: pathOf(kind, place) }, about));
  }

  test(`${kind} refuses all requests for its host`, () =>
    expectRefused({ ...attempts, ...hostAttempts }, { host: hostOf(kind), path: '/free' }, about));
}

test('of a listener refuses all its requests, and none of another listener', async () => {
  const all = { ...attempts, ...otherHosts, ...hostAttempts };
  await expectRefused(all, { host: 'free.test', path: '/free' }, { statuses: [403] }, ports[1]);
});

test('refuses all spellings of its paths over HTTP/2', async () => {
  guarded.forget();
  const client = await H2Client.open(ports[0] ?? 0);
  const answers = await Promise.all(
    spellings.map(path => ask2(client, { target: () => path }, { host: 'a.test', path })),
  );
  client.close();
  for (const [n, { status }] of answers.entries())
    assert.ok([400, 403].includes(status), `${spellings[n]}: ${status}`);
  assert.equal(
    guarded.requests.map(({ target }) => target).filter(target => serversOfProtected(target).length > 0),
    [],
  );
});

test('that marks requests and responses marks all of them: headers, cors, compress, errorPages, routes', async () => {
  guarded.forget();
  const asking: [string, string][] = [
    ['Accept-Encoding', 'gzip'],
    ['Accept', 'text/html'],
    ['Origin', 'https://evil.test'],
    ['X-Role', 'admin'],
    ['X_Role', 'admin'],
    ['x.role', 'admin'],
    ['X_User', 'root'],
  ];
  const all = Object.fromEntries(
    Object.entries({ ...attempts, ...otherHosts }).map(([what, attempt]) => [
      what,
      { ...attempt, fields: [...(attempt.fields ?? []), ...asking] },
    ]),
  );
  for (const { what, status, fields, attempt } of await tryAll(all, { host: 'a.test', path: '/marked' })) {
    if (attempt.refused === true) continue;
    // A request that two servers could read differently is not recognized as marked.
    if (status === 400) continue;
    assert.is(fields.get('x-mark'), '1', what);
    assert.not(fields.has('access-control-allow-origin'), what);
    assert.match(fields.get('vary') ?? '', 'Origin', what);
    if (status === 200) assert.is(fields.get('content-encoding'), 'gzip', what);
  }
  const marked = guarded.requests.length;
  await tryAll(all, { host: 'a.test', path: '/stripped' });
  for (const { raw } of guarded.requests.slice(marked))
    assert.equal(raw.match(/^x[-_.]user:.*/gim), ['X-User: ada']);
  assert.ok(guarded.requests.length > 80, `${guarded.requests.length} requests got to the server`);
  for (const { raw } of guarded.requests) assert.not.match(raw, /^x[-_.]role:/im);
});

test('that limits bodies, a route’s bodyLimit, refuses every longer body, however it is sent', async () => {
  const long: Attempt = { method: 'POST', body: 'Q'.repeat(20) };
  const ways: Record<string, Attempt> = {
    'with a length': long,
    'with a length over HTTP/2': { ...long, only: 'h2', fields: [['Content-Length', '20']] },
    'in chunks, with trailers': { ...long, trailers: [['X-Sum', '1']] },
    'not waiting for the 100': { ...long, fields: [['Expect', '100-continue']] },
    'of a GET': { ...long, method: 'GET' },
    'of a post': { ...long, method: 'post' },
    'of gRPC': { ...long, fields: [['Content-Type', 'application/grpc']] },
    'for an encoded path': { ...long, target: ({ path }) => path.replace('s', '%73') },
    'for an absolute target': { ...long, only: 'h1', target: ({ host, path }) => `http://${host}${path}` },
    'of HTTP/1.0': { ...long, only: 'h1', version: '1.0' },
  };
  guarded.forget();
  for (const { what, status, fields } of await tryAll(ways, { host: 'a.test', path: '/short' }))
    assert.ok(status === 413 || (fields.get('grpc-status') ?? '0') !== '0', `${what}: ${status}`);
  assert.equal(guarded.requests, []);
  for (const { raw } of guarded.connections) assert.not.match(raw, 'QQQQQQQQQ');
});

test('that limits time, a route’s timeouts, does so however the request is sent', async () => {
  for (const { what, status } of await tryAll(some, { host: 'a.test', path: '/hasty' }))
    assert.ok(status === 504 || status === 400, `${what}: ${status}`);
});

test('is asked about a client that has the cookie of its server', async () => {
  const { fields } = await ask1(ports[0] ?? 0, {}, { host: 'free.test', path: '/free' });
  const cookie = fields.get('set-cookie')?.split(';')[0] ?? '';
  assert.match(cookie, /^weldr=./);
  const other = cookie.slice('weldr='.length);
  for (const [kind, about] of Object.entries(kinds)) {
    const cookies: Record<string, Attempt> = {
      'the cookie': { fields: [['Cookie', cookie]] },
      'the cookie in crumbs': {
        fields: [
          ['Cookie', 'weldr=x'],
          ['Cookie', cookie],
        ],
      },
      'the cookie for its pool': { fields: [['Cookie', `weldr-${kind}-pool=${other}; ${cookie}`]] },
    };
    for (const place of ['after', 'pool', 'fallback'])
      await expectRefused(cookies, { host: 'a.test', path: pathOf(kind, place) }, about);
  }
});
