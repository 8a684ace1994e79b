// A client that never stops: `node client-process.ts HOST PORT`. Several loops, a new connection for each request, as
// after a fail-over nothing of the old one is left; when a connection fails it reconnects and asks again. Prints a
// line of JSON for each request and each attempt that failed.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [host = '', port = ''] = process.argv.slice(2);
const loops = 4;
const pauseMs = 25;
/** One that is not answered so long has failed. */
const patienceMs = 5000;
/** A connection that does not stand after this is tried anew: the kernel would repeat its SYN after a second only. */
const connectMs = 200;
const answerMs = 1000;

interface Attempt {
  readonly status: number;
  readonly error: string;
}

function attempt(): Promise<Attempt> {
  const { promise, resolve } = Promise.withResolvers<Attempt>();
  const socket = connect({ host, port: Number(port) });
  let text = '';
  let connected = false;
  const end = (error: string) => {
    clearTimeout(timer);
    socket.destroy();
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
    resolve({ status: error === '' ? status : 0, error });
  };
  let timer = setTimeout(() => end('no connection'), connectMs);
  socket.setEncoding('latin1');
  socket.on('connect', () => {
    connected = true;
    clearTimeout(timer);
    timer = setTimeout(() => end('no answer'), answerMs);
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
  socket.on('data', data => {
    text += data;
  });
  socket.on('end', () => end(text.includes('\r\n\r\n') ? '' : 'closed before an answer'));
  socket.on('error', thrown => end(`${connected ? 'broken' : 'refused'}: ${thrown.message}`));
  return promise;
}

async function request(): Promise<void> {
  const began = Date.now();
  for (let tries = 1; ; tries++) {
    const { status, error } = await attempt();
    const at = Date.now();
    const settled = error === '' || at - began > patienceMs;
    console.log(JSON.stringify({ at, settled, ok: error === '' && status === 200, status, error, tries }));
    if (settled) return;
    await sleep(10);
  }
}

for (let loop = 0; loop < loops; loop++) {
  void (async () => {
    for (;;) {
      await request();
      await sleep(pauseMs);
    }
  })();
}
