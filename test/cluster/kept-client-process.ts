// A client that keeps its connections: `node kept-client-process.ts HOST PORT`. Loops over HTTP/1.1 and HTTP/2, with some
// slow requests. Prints a line of JSON for each request: whether it was answered, or how it broke. A connection that
// fails to open is tried again, and breaks nothing.
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectH2, constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [host = '', port = ''] = process.argv.slice(2);
const loops = 8;
const pauseMs = 5;
const connectMs = 200;
const answerMs = 3000;

function report(what: 'answered' | 'broken' | 'refused' | 'retried', error = ''): void {
  console.log(JSON.stringify({ at: Date.now(), what, error }));
}

async function open(): Promise<Socket> {
  for (;;) {
    const socket = connect({ host, port: Number(port) });
    const timer = setTimeout(() => socket.destroy(new Error('no connection')), connectMs);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ECONNREFUSED') report('refused');
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Resolves with the text of one response; rejects when the connection ends before it is complete. */
async function ask(socket: Socket, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  const take = (bytes: Buffer): void => {
    text += bytes.toString('latin1');
    if (text.endsWith('hello')) resolve(text);
  };
  const end = (error?: Error): void => reject(new Error(error?.message ?? 'closed before an answer'));
  socket.on('data', take).once('close', end).once('error', end);
  const timer = setTimeout(() => reject(new Error('no answer')), answerMs);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.off('data', take).off('close', end).off('error', end);
  }
}

async function overHttp1(path: string): Promise<void> {
  for (;;) {
    const socket = await open();
    socket.on('error', () => {});
    let isOpen = true;
    socket.on('end', () => {
      isOpen = false;
    });
    while (isOpen) {
      try {
        const text = await ask(socket, path);
        report('answered');
        if (/^connection: close\r$/im.test(text)) break;
      } catch (thrown) {
        report('broken', `${path} ${String(thrown)}`);
        break;
      }
      await sleep(pauseMs);
    }
    socket.destroy();
  }
}

async function openH2(): Promise<ClientHttp2Session> {
  const socket = await open();
  const session = connectH2(`http://${host}:${port}`, { createConnection: () => socket });
  session.on('error', () => {});
  return session;
}

async function overHttp2(path: string): Promise<void> {
  for (;;) {
    const session = await openH2();
    let isOpen = true;
    const end = (): void => {
      isOpen = false;
    };
    session.on('goaway', end).on('close', end);
    while (isOpen) {
      const stream = session.request({ ':path': path });
      const { promise, resolve } = Promise.withResolvers<string>();
      const timer = setTimeout(resolve, answerMs, 'no answer');
      let text = '';
      stream.on('data', bytes => {
        text += String(bytes);
      });
      stream.on('error', () => {});
      stream.on('close', () => resolve(text === 'hello' ? '' : `stream closed with ${stream.rstCode}`));
      const error = await promise;
      clearTimeout(timer);
      // The server has not processed it (RFC 9113 section 8.7).
      const isSafe = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
      report(error === '' ? 'answered' : isSafe ? 'retried' : 'broken', error && `h2 ${path} ${error}`);
      await sleep(pauseMs);
    }
    session.destroy();
  }
}

for (let loop = 0; loop < loops; loop++) {
  const path = loop % 4 < 2 ? '/' : '/slow';
  void (loop % 2 === 0 ? overHttp1(path) : overHttp2(path));
}
