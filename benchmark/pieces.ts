// `npm run bench:pieces`: measures what a transfer costs Weldr if its bytes come in the smallest pieces of HTTP,
// compared with the same number of bytes in large ones. An attacker sends such pieces to keep a
// proxy busy.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { cpuTimeOf, processTree } from './accounting.ts';
import { cleanUp } from './processes.ts';
import { weldr } from './proxies/weldr.ts';

/** One way to send data, and how often it is repeated for one figure. */
interface Case {
  readonly name: string;
  /** Bytes that are sent to Weldr, besides heads. */
  readonly bytes: number;
  run(): Promise<void>;
}

const rounds = 5;
const size = 4 * 1024 * 1024;

const one = '1\r\nX\r\n';
const small = one.repeat(Math.floor(size / one.length));
const extended = `1;a\r\nX\r\n`;
const manyExtensions = extended.repeat(8_000);
const largeChunk = `${(64 * 1024).toString(16)}\r\n${'X'.repeat(64 * 1024)}\r\n`;
const large = largeChunk.repeat(size / (64 * 1024));
const chunkedHead = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const bodies = new Map([
  ['/small', Buffer.from(`${chunkedHead}${small}0\r\n\r\n`)],
  ['/large', Buffer.from(`${chunkedHead}${large}0\r\n\r\n`)],
]);

const origin = createServer(serve).listen(0, '127.0.0.1');
await once(origin, 'listening');
const address = origin.address();
if (address === null || typeof address === 'string') throw new Error('the origin has no port');
const proxy = await weldr.start({ cores: [0], workers: 1, origin: { port: address.port } });
try {
  for (const version of ['1.0', '1.1']) {
    const download = (path: string) => async (): Promise<void> => {
      await exchange([`GET ${path} HTTP/${version}\r\nHost: a.test\r\nConnection: close\r\n\r\n`]);
    };
    await compare(
      {
        name: `1-byte chunks from a server, to HTTP/${version}`,
        bytes: small.length,
        run: download('/small'),
      },
      { name: 'chunks of 64 KB', bytes: large.length, run: download('/large') },
    );
  }
  const upload = (body: string) => async (): Promise<void> => {
    const head =
      'POST /sink HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
    await exchange([head, body, '0\r\n\r\n']);
  };
  await compare(
    { name: '1-byte chunks from a client', bytes: small.length, run: upload(small) },
    { name: 'chunks of 64 KB', bytes: large.length, run: upload(large) },
  );
  await compare(
    { name: '1-byte chunks with extensions', bytes: manyExtensions.length, run: upload(manyExtensions) },
    { name: 'one chunk', bytes: 64 * 1024, run: upload(largeChunk) },
  );
} finally {
  origin.close();
  cleanUp();
}

async function compare(pieces: Case, plain: Case): Promise<void> {
  const [a, b] = [await costOf(pieces), await costOf(plain)];
  console.log(
    `${pieces.name}: ${a.toFixed(2)} ms of CPU a MB, ${plain.name}: ${b.toFixed(2)} ms, ratio ${(a / b).toFixed(2)}`,
  );
}

/** Returns the CPU time of Weldr for 1 MB, ms; the best of several runs. */
async function costOf({ bytes, run }: Case): Promise<number> {
  const pids = processTree(proxy.process.pid);
  const times = Math.ceil((32 * 1024 * 1024) / Math.max(bytes, 512 * 1024));
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = cpuTimeOf(pids);
    for (let n = 0; n < times; n++) await run();
    best = Math.min(best, cpuTimeOf(pids) - before);
  }
  return ((best / 1e6 / times) * 1024 * 1024) / bytes;
}

/** Sends all parts and reads the response to its end. */
async function exchange(parts: readonly string[]): Promise<void> {
  const socket = connect(proxy.port, '127.0.0.1');
  let start = '';
  socket.on('data', bytes => {
    if (start.length < 12) start += bytes.toString('latin1', 0, 12);
  });
  for (const part of parts) socket.write(part, 'latin1');
  await once(socket, 'close');
  if (!/^HTTP\/1\.1 200/.test(start)) throw new Error(`answered ${JSON.stringify(start)}`);
}

function serve(socket: Socket): void {
  let text = '';
  socket.on('error', () => {});
  socket.on('data', bytes => {
    text = text.length < 4096 ? text + bytes.toString('latin1') : text.slice(-8) + bytes.toString('latin1');
    const [, path = ''] = /^GET (\S+) .*\r\n\r\n$/s.exec(text) ?? [];
    const body = bodies.get(path);
    if (body !== undefined) socket.write(body);
    else if (text.endsWith('0\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    else return;
    text = '';
  });
}
