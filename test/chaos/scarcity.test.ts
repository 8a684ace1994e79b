// Weldr runs out of what it needs: descriptors, disk space for its log, names. It degrades gracefully and recovers.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { freePort, isOpen } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startOrigins } from './support/chaos-origin.ts';
import { assertNoDefect, portOf, startChaos } from './support/chaos-weldr.ts';
import { Load } from './support/load.ts';
import { figure, size } from './support/size.ts';

const test = suite('chaos: scarcity', { timeoutMs: 600_000, testTimeoutMs: 240_000 });

test('refuses only with 503 or a closed connection with 256 descriptors, and recovers once they are free', async () => {
  const origins = await startOrigins(2);
  const weldr = await startChaos({ origins, shell: 'ulimit -n 256' });
  const port = portOf(weldr);
  const hoard: Socket[] = [];
  const workers = weldr.workers();
  try {
    const crowded = await Load.during({ port, clients: 8, pauseMs: 5 }, async running => {
      await running.requestsMore(100);
      // More than both workers together can hold.
      for (let n = 0; n < 600; n++) {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {});
        hoard.push(socket);
      }
      await running.requestsMore(size(200, 5_000));
    });
    const unexplained = crowded.failures.filter(
      ({ kind, status }) => kind === 'wrong' || (kind === 'status' && status !== 503),
    );
    assert.is(unexplained.length, 0, crowded.summary());
    figure(
      `256 descriptors, 600 idle connections on top: ${crowded.requests} requests, ` +
        `${crowded.failures.length} turned away or answered 503, 0 wrong`,
    );
  } finally {
    for (const socket of hoard) socket.destroy();
  }
  await sleep(500);
  const relieved = await Load.during({ port, clients: 8, pauseMs: 5 }, running => running.requestsMore(200));
  assert.is(relieved.failures.length, 0, relieved.summary());
  assert.equal(weldr.workers(), workers, 'a worker died');
  await weldr.stop();
  assertNoDefect(weldr);
  await Promise.all(origins.map(origin => origin.kill()));
});

test('keeps serving while the disk of its log is full', async () => {
  const origins = await startOrigins(2);
  const port = await freePort();
  const weldr = await startChaos({
    origins,
    listen: `127.0.0.1:${port}`,
    settings: `logLevel: 'trace',`,
    // Every write fails with ENOSPC.
    shell: 'exec >/dev/full 2>/dev/full',
    noWait: true,
  });
  await until('it listens', () => isOpen(`127.0.0.1:${port}`), 30_000);
  const [first] = origins;
  const load = await Load.during({ port, clients: 8, pauseMs: size(5, 0) }, async running => {
    await running.requestsMore(100);
    // Causes log lines.
    await first?.kill();
    await running.requestsMore(size(200, 5_000));
    await first?.start();
    weldr.signal('SIGHUP');
    await running.requestsMore(size(200, 5_000));
  });
  const gets = load.failures.filter(({ method, kind }) => method !== 'POST' || kind === 'wrong');
  assert.is(gets.length, 0, load.summary());
  figure(`a full disk under the log: ${load.requests} requests, 0 failed GET or HEAD`);
  assert.is(await weldr.stop(), 0);
  await Promise.all(origins.map(origin => origin.kill()));
});

test('fails no GET for servers whose names cannot be resolved', async () => {
  const origins = await startOrigins(1);
  const servers = ['http://nobody.invalid:8080', 'http://neither.invalid:8080'];
  const weldr = await startChaos({ origins, servers, settings: `timeouts: { connect: '1s' },` });
  const load = await Load.during({ port: portOf(weldr), clients: 8, pauseMs: size(5, 0) }, running =>
    running.requestsMore(size(300, 20_000)),
  );
  assert.is(load.failures.length, 0, load.summary());
  figure(`two of three servers without a resolvable name: ${load.requests} requests, 0 failed`);
  await weldr.stop();
  assertNoDefect(weldr);
  await Promise.all(origins.map(origin => origin.kill()));
});
