// Bodies of any size pass in constant memory, however slow their reader is.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, type Script, ScriptedOrigin } from './support/scripted-origin.ts';

const test = suite('back-pressure', { alone: true });
const size = 200 * 1024 * 1024;
const block = Buffer.alloc(64 * 1024, 'x');
/**
 * How much memory may grow: by the runtime's read buffers, which V8 begins to collect at 64 MB, and by the heap of both
 * ends, which are in this process.
 */
const allowance = 128 * 1024 * 1024;

/** Writes `size` bytes as fast as they are accepted. */
async function pump(socket: RawClient['socket']): Promise<void> {
  for (let sent = 0; sent < size && !socket.destroyed; sent += block.length) {
    if (!socket.write(block)) await new Promise(resolve => socket.once('drain', resolve));
  }
}

class Peak {
  private readonly before = process.memoryUsage().rss;
  private highest = 0;
  private readonly timer = setInterval(() => {
    this.highest = Math.max(this.highest, process.memoryUsage().rss);
  }, 5);

  stop(): number {
    clearInterval(this.timer);
    return Math.max(0, this.highest - this.before);
  }
}

async function staysFlat(transfer: () => Promise<void>): Promise<void> {
  const peak = new Peak();
  await transfer();
  const grown = peak.stop();
  assert.ok(grown < allowance, `grew by ${Math.round(grown / 1024 / 1024)} MB`);
}

for (const framing of [`Content-Length: ${size}`, 'Connection: close']) {
  test(`200 MB pass to a client in constant memory:  ${framing}`, async () => {
    const script: Script = {
      answer({ connection }) {
        connection.send(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
        void pump(connection.socket).then(() => connection.end());
        return undefined;
      },
    };
    const origin = await ScriptedOrigin.start(script);
    const proxy = await startProxy({ upstreams: [origin.url] });
    const download = async (): Promise<void> => {
      const client = await RawClient.open(proxy.port);
      let received = 0;
      client.socket.removeAllListeners('data');
      client.socket.on('data', chunk => {
        received += chunk.length;
      });
      client.send('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
      await client.untilEnd(60_000);
      assert.ok(received >= size, `${received} bytes`);
      assert.is(proxy.finished.at(-1)?.bytesOut, size);
      client.close();
    };
    await staysFlat(download);
    proxy.close();
    await origin.close();
  });
}

test('200 MB pass from a client in constant memory', async () => {
  let received = 0;
  const script: Script = {
    answer: () => undefined,
    onBytes(connection, bytes) {
      received += bytes.length;
      connection.raw = '';
      if (received >= size) connection.send(ok('all'));
    },
  };
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url] });
  const upload = async (): Promise<void> => {
    received = 0;
    const client = await RawClient.open(proxy.port);
    client.send(`PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${size}\r\n\r\n`);
    await pump(client.socket);
    assert.is((await client.response('PUT')).body, 'all');
    assert.ok(received >= size);
    assert.is(proxy.finished.at(-1)?.bytesIn, size);
    client.close();
  };
  await staysFlat(upload);
  proxy.close();
  await origin.close();
});

test('a client that reads nothing holds back its upstream', async () => {
  let sent = 0;
  const script: Script = {
    answer({ connection }) {
      connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      void (async () => {
        for (; sent < size && !connection.gone; sent += block.length) {
          if (!connection.socket.write(block)) {
            await new Promise(resolve => connection.socket.once('drain', resolve).once('close', resolve));
          }
        }
      })();
      return undefined;
    },
  };
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url] });
  const client = await RawClient.open(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await client.until('the first bytes', () => client.size > 0);
  client.socket.pause();
  await settled(() => sent);
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were taken for a client that reads none`);
  client.close();
  await until('the end', () => proxy.finished.length === 1);
  proxy.close();
  await origin.close();
});

test('an upstream that reads nothing holds back its client', async () => {
  const script: Script = { answer: () => undefined, onConnection: ({ socket }) => socket.pause() };
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url] });
  const client = await RawClient.open(proxy.port);
  client.send(`PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${size}\r\n\r\n`);
  void pump(client.socket);
  await settled(() => client.socket.bytesWritten - client.socket.writableLength);
  assert.ok(client.socket.bytesWritten < 64 * 1024 * 1024, `${client.socket.bytesWritten} bytes were taken`);
  client.close();
  proxy.close();
  await origin.close();
});

/** Waits until a figure stops growing. */
async function settled(figure: () => number): Promise<void> {
  for (let before = -1, calm = 0; calm < 5; before = figure()) {
    await sleep(40);
    calm = figure() === before ? calm + 1 : 0;
  }
}
