// A client that never stops: `node client-process.ts HOST PORT`. Several loops, with a new connection for each request,
// because none survives a fail-over; when a connection fails it reconnects and sends the request again. Prints a line of JSON for
// each request and each failed attempt.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [host = '', port = ''] = process.argv.slice(2);
const loops = 4;
const pauseMs = 25;
/** A request without an answer for this long has failed, ms. */
const patienceMs = 5000;
/** A connection that takes longer is tried again, ms: the kernel would repeat its SYN only after a second. */
const connectMs = 200;
const answerMs = 1000;

interface Attempt {
  readonly status: number;
  /** What went wrong; empty: nothing. */
  readonly error: string;
  /** The request was sent, and the answer is incomplete: not every request is safe to send again. */
  readonly broken: boolean;
}

/** Whether this is a complete response. */
function isWhole(text: string): boolean {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return false;
  const length = /^content-length: *(\d+)/im.exec(text.slice(0, head))?.[1];
  const body = text.slice(head + 4);
  return length === undefined ? /(^|\r\n)0\r\n\r\n$/.test(body) : body.length >= Number(length);
}

function attempt(): Promise<Attempt> {
  const { promise, resolve } = Promise.withResolvers<Attempt>();
  const socket = connect({ host, port: Number(port) });
  let text = '';
  let sent = false;
  const end = (error: string) => {
    clearTimeout(timer);
    socket.destroy();
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
    const broken = error !== '' && sent;
    resolve({ status: error === '' ? status : 0, error: broken && text !== '' ? 'cut' : error, broken });
  };
  let timer = setTimeout(() => end('no connection'), connectMs);
  socket.setEncoding('latin1');
  socket.on('connect', () => {
    sent = true;
    clearTimeout(timer);
    timer = setTimeout(() => end('no answer'), answerMs);
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
  socket.on('data', data => {
    text += data;
    if (isWhole(text)) end('');
  });
  socket.on('end', () => end('closed before an answer'));
  socket.on('error', thrown => {
    const code = 'code' in thrown ? String(thrown.code) : thrown.message;
    end(sent ? `reset (${code})` : `refused (${code})`);
  });
  return promise;
}

async function request(): Promise<void> {
  const began = Date.now();
  for (let tries = 1; ; tries++) {
    const { status, error, broken } = await attempt();
    const at = Date.now();
    const settled = error === '' || at - began > patienceMs;
    const ok = error === '' && status === 200;
    console.log(JSON.stringify({ at, settled, ok, status, error, broken, tries }));
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
