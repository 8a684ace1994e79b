// The line of a failed request in the access log shows which upstream failed, how long each phase took, whether the request was
// retried, and what refused it.
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { connect, constants } from 'node:http2';
import { createServer, connect as openSocket, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type WeldrConfig, when } from '../../../config/index.ts';
import {
  accessLog,
  concurrencyLimit,
  jwt,
  rateLimit,
  retry,
  roundRobin,
  routes,
} from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('access-log of what goes wrong', { timeoutMs: 120_000 });

interface LoggedAttempt {
  readonly upstream: string;
  readonly status?: number;
  readonly code?: string;
  readonly error?: string;
  readonly queue: number;
  readonly connect: number;
  readonly firstByte?: number;
  readonly total: number;
}

interface Line {
  readonly path: string;
  readonly route?: string;
  readonly status: number;
  readonly by: string;
  readonly plugin?: string;
  readonly code?: string;
  readonly error?: string;
  readonly outcome: string;
  readonly ms: Readonly<Record<string, number>>;
  readonly attempts: readonly LoggedAttempt[];
  readonly notes?: readonly string[];
}

/** A client's request, and when the client leaves. */
interface Sent {
  readonly path: string;
  readonly body?: Buffer;
  readonly leaves?: 'while it waits' | 'behind the head';
}

/** Sends it over a separate connection. Resolves when that has ended. */
type Send = (port: number, sent: Sent, hasCome: () => Promise<void>) => Promise<void>;

const overH1: Send = async (port, { path, body, leaves }, hasCome) => {
  const socket = openSocket(port, '127.0.0.1');
  socket.on('error', () => {});
  const framing = body === undefined ? '' : `Content-Length: ${body.length}\r\n`;
  const method = body === undefined ? 'GET' : 'POST';
  socket.write(`${method} ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n${framing}\r\n`);
  if (body !== undefined) socket.write(body);
  if (leaves === undefined) socket.resume();
  else {
    await (leaves === 'while it waits' ? hasCome() : once(socket, 'data'));
    socket.resetAndDestroy();
  }
  await new Promise(resolve => socket.once('close', resolve));
};

const overH2: Send = async (port, { path, body, leaves }, hasCome) => {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const stream = session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST' });
  const closed = new Promise(resolve => stream.once('close', resolve));
  stream.on('error', () => {});
  stream.end(body);
  if (leaves === undefined) stream.resume();
  else {
    await (leaves === 'while it waits' ? hasCome() : once(stream, 'response'));
    stream.close(constants.NGHTTP2_CANCEL);
  }
  await closed;
  session.close();
};

let folder = '';
let file = '';
let dead = '';
let cut = '';
let origin: Origin;
let cutter: Server;
/** Requests that the origin keeps waiting. */
const held: ServerResponse[] = [];

test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'incidents-'));
  file = join(folder, 'access.log');
  dead = `http://127.0.0.1:${await freePort()}`;
  origin = await startOrigin({
    handle({ url }, response) {
      if (url?.startsWith('/held')) held.push(response);
      else if (url === '/long') response.writeHead(200, { 'Content-Length': 1_000 }).write('a part');
      else response.end('all of it');
    },
  });
  // Sends a part of its response, then closes.
  cutter = createServer(socket => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na part', () => {
        setTimeout(() => socket.resetAndDestroy(), 10);
      });
    });
  });
  cutter.listen(0, '127.0.0.1');
  await once(cutter, 'listening');
  const address = cutter.address();
  cut = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
});
test.after(async () => {
  for (const response of held) response.destroy();
  cutter.close();
  await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The expected line of each request, by what went wrong. `attempts`: the server, and how the attempt ended. */
interface Incident {
  readonly sent: Sent;
  readonly line: Partial<Line> & { readonly says?: RegExp };
  readonly attempts: readonly (readonly [where: () => string, end: number | string, why?: RegExp])[];
}

const here = (): string => origin.url;
const small = { path: '/small', body: Buffer.alloc(2_000) };

const incidents: Readonly<Record<string, Incident>> = {
  'the upstream refused the connection': {
    sent: { path: '/refused' },
    line: { status: 502, by: 'weldr', code: 'CONNECT_FAILED', route: 'refused', outcome: 'complete' },
    attempts: [[() => dead, 'CONNECT_FAILED', /ECONNREFUSED/]],
  },
  'the upstream cut its response': {
    sent: { path: '/cut' },
    line: { status: 200, by: 'upstream', code: 'BODY_CUT', route: 'cut', outcome: 'aborted' },
    attempts: [[() => cut, 'BODY_CUT', /ECONNRESET/]],
  },
  'the upstream did not answer in time': {
    sent: { path: '/held?slow' },
    line: { status: 504, by: 'weldr', code: 'RESPONSE_TIMEOUT', route: 'slow', outcome: 'complete' },
    attempts: [[here, 'RESPONSE_TIMEOUT', /within 200 ms/]],
  },
  'it was tried again, and went well': {
    sent: { path: '/half' },
    line: { status: 200, by: 'upstream', route: 'half', outcome: 'complete' },
    attempts: [
      [() => dead, 'CONNECT_FAILED', /ECONNREFUSED/],
      [here, 200],
    ],
  },
  'a limit of requests at once refused it': {
    sent: { path: '/full' },
    line: {
      status: 503,
      by: 'plugin',
      plugin: 'when:path=/full/concurrency-limit',
      says: /all places are taken/,
    },
    attempts: [],
  },
  'a limit of requests in a time refused it': {
    sent: { path: '/limited' },
    line: { status: 429, by: 'plugin', plugin: 'when:path=/limited/rate-limit', says: /rate-limit: refused/ },
    attempts: [],
  },
  'jwt refused it': {
    sent: { path: '/jwt' },
    line: { status: 401, by: 'plugin', plugin: 'when:path=/jwt/jwt', says: /there is no token/ },
    attempts: [],
  },
  'the client left while it waited': {
    sent: { path: '/held', leaves: 'while it waits' },
    line: { status: 499, by: 'client', code: 'CLIENT_CLOSED', outcome: 'aborted' },
    attempts: [[here, 'CLIENT_CLOSED']],
  },
  'the client left within the response': {
    sent: { path: '/long', leaves: 'behind the head' },
    line: { status: 200, by: 'upstream', code: 'CLIENT_CLOSED', outcome: 'aborted' },
    attempts: [[here, 'CLIENT_CLOSED']],
  },
};

/** A body with an announced length is refused before it is sent; one without is refused once too much has arrived. */
const tooLarge: Readonly<Record<'HTTP/1.1' | 'HTTP/2.0', Incident>> = {
  'HTTP/1.1': {
    sent: small,
    line: { status: 413, by: 'weldr', code: 'BODY_TOO_LARGE', says: /bodyLimit of route small/ },
    attempts: [],
  },
  'HTTP/2.0': {
    sent: small,
    line: { status: 413, by: 'weldr', code: 'BODY_TOO_LARGE', route: 'small' },
    attempts: [[here, 'BODY_TOO_LARGE']],
  },
};

test('the line alone says which upstream failed, how long each phase took, what was retried, and what refused the request', async () => {
  const config: WeldrConfig = {
    listen: [{ address: '127.0.0.1:0', h2c: true }],
    pools: {
      default: [origin.url],
      dead: [dead],
      half: [dead, origin.url],
      cut: [cut],
      slow: { servers: [origin.url], timeouts: { response: '200ms' } },
    },
    plugins: [
      accessLog({ file }),
      when({ path: '/limited' }, rateLimit({ rate: 0.001, burst: 1 })),
      when({ path: '/full' }, concurrencyLimit({ max: 1, queue: 0 })),
      when({ path: '/jwt' }, jwt({ secret: 'a secret of thirty-two characters', audience: 'shop' })),
      routes([
        { name: 'refused', path: '/refused', pool: 'dead' },
        { name: 'half', path: '/half', pool: 'half' },
        { name: 'cut', path: '/cut', pool: 'cut' },
        { name: 'slow', path: '/held', query: { slow: true }, pool: 'slow' },
        { name: 'small', path: '/small', pool: 'default', bodyLimit: '10b' },
        { name: 'full', path: '/full', pool: 'default', rewrite: '/held' },
      ]),
      roundRobin(),
      retry(),
    ],
  };
  await withWeldr(config, async ({ port, url }) => {
    // One request takes the only place, another one the only token.
    const waiting = new AbortController();
    const placed = fetch(`${url}/full`, { signal: waiting.signal }).catch(() => {});
    await until('it waits', () => held.length === 1);
    await (await fetch(`${url}/limited`)).text();
    for (const [protocol, send] of [
      ['HTTP/1.1', overH1],
      ['HTTP/2.0', overH2],
    ] as const) {
      const all = { ...incidents, 'the body was too large': tooLarge[protocol] };
      for (const [what, incident] of Object.entries(all)) {
        check(await lineOf(port, incident, send), incident, `${protocol}: ${what}`);
      }
    }
    waiting.abort();
    await placed;
  });
});

const linesSoFar = (): readonly string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];

async function lineOf(port: number, { sent, attempts }: Incident, send: Send): Promise<Line> {
  // In a pool of several servers, another request may start with another one.
  for (let tries = 0; ; tries++) {
    const linesBefore = linesSoFar().length;
    const heldBefore = held.length;
    await send(port, sent, () => until('it has come', () => held.length > heldBefore));
    const find = () =>
      linesSoFar()
        .slice(linesBefore)
        .map((text): Line => JSON.parse(text));
    const isOurs = ({ path }: Line): boolean => path === sent.path;
    await until(`${sent.path} is logged`, () => find().some(isOurs));
    const line = find().find(isOurs);
    if (line !== undefined && (line.attempts.length === attempts.length || tries > 4)) return line;
  }
}

function check(line: Line, { line: { says, ...wanted }, attempts }: Incident, what: string): void {
  const text = `${what}: ${JSON.stringify(line)}`;
  for (const [field, value] of Object.entries(wanted)) assert.is(Reflect.get(line, field), value, text);
  if (says !== undefined) assert.match(line.notes?.join() ?? '', says, text);
  assert.equal(
    line.attempts.map(({ upstream, status, code }) => [upstream, code ?? status]),
    attempts.map(([where, end]) => [where(), end]),
    text,
  );
  for (const [i, [, , why]] of attempts.entries()) {
    if (why !== undefined) assert.match(line.attempts[i]?.error ?? '', why, text);
  }
  assert.ok((line.ms['total'] ?? -1) >= (line.ms['plugins'] ?? 0), text);
  for (const { status, queue, connect, firstByte, total } of line.attempts) {
    assert.ok(queue >= 0 && connect >= 0 && total >= connect, text);
    assert.is(firstByte !== undefined, status !== undefined, text);
  }
}
