// health-check against real origins: failing servers are marked down, healthy ones come back, and everything can be set.
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import * as assert from 'uvu/assert';
import type { HealthReport } from '../../../core/pool/pool-entry.ts';
import type { HealthCheckSettings } from '../../../core/pool/server-definition.ts';
import { managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { type HealthCheckOptions, healthCheck } from '../../../plugins/health-check/index.ts';
import { seriesOf } from '../../support/series.ts';
import { suite } from '../../support/suite.ts';
import { startUnixOrigin } from '../../support/unix-origin.ts';
import { until } from '../../support/until.ts';
import { startOrigin } from './origin.ts';

const test = suite('health-check');

/** Runs `body`, then ends everything that was started through it. */
async function withEnds(body: (started: <T extends { close(): Promise<void> }>(t: T) => T) => Promise<void>) {
  const all: { close(): Promise<void> }[] = [];
  try {
    await body(t => {
      all.push(t);
      return t;
    });
  } finally {
    for (const one of all.reverse()) await one.close();
  }
}

const healthOf = (side: TestManagerSide, url: string): HealthReport | undefined =>
  side.pools.get('default', url)?.health;
const stateOf = (side: TestManagerSide, url: string): string | undefined =>
  side.pools.get('default', url)?.upstream.state;

/** Lets the next check of a server happen; returns its report. */
async function nextCheck(side: TestManagerSide, url: string, ms = 30_000): Promise<HealthReport> {
  const before = healthOf(side, url);
  side.clock.advance(ms);
  await until(`a check of ${url}`, () => healthOf(side, url) !== before);
  const after = healthOf(side, url);
  if (after === undefined) throw new Error('no report');
  return after;
}

// The clock leaps while a check is in progress on a real socket, so a check may take long.
const start = (servers: readonly string[], options: HealthCheckOptions = {}) =>
  managerSide(healthCheck({ timeout: '10m', ...options }), { servers });

test('a new server counts as active, is down after 3 failures in a row and active again after 2 passes', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin());
    const side = started(await start([origin.url]));
    assert.is(stateOf(side, origin.url), 'active');
    assert.is((await nextCheck(side, origin.url, 1000)).status, 'passing');
    origin.status = 503;
    await nextCheck(side, origin.url);
    await nextCheck(side, origin.url);
    assert.is(stateOf(side, origin.url), 'active');
    const failing = await nextCheck(side, origin.url);
    assert.is(failing.status, 'failing');
    assert.is(failing.detail, 'status 503, expected 2xx');
    assert.is(stateOf(side, origin.url), 'down');
    const { reason } = side.pools.default.get(origin.url)?.record ?? {};
    assert.is(reason, 'health-check: status 503, expected 2xx');
    origin.status = 204;
    await nextCheck(side, origin.url);
    assert.is(stateOf(side, origin.url), 'down');
    await nextCheck(side, origin.url);
    assert.is(stateOf(side, origin.url), 'active');
    const results = seriesOf(side.sums.collect());
    const labels = `pool="default",result="failed",server="${origin.url}"`;
    assert.is(results.get(`health_check_results_total{${labels}}`), 3);
    const said = side.logs
      .filter(line => line.level === 'warn' || line.level === 'info')
      .map(line => line.msg);
    assert.equal(said, [
      `${origin.url} is down: 3 checks in a row failed: status 503, expected 2xx`,
      `${origin.url} is active again: 2 checks in a row passed`,
    ]);
  });
});

test('a new server that is not ready is down after its first check, which runs at once, and active after one pass', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin());
    origin.status = 503;
    const side = started(await start([], { failures: 3, passes: 5 }));
    await side.pools.add('default', { url: origin.url, weight: 1, state: 'active' });
    await nextCheck(side, origin.url, 10);
    assert.is(stateOf(side, origin.url), 'down');
    await nextCheck(side, origin.url);
    assert.is(stateOf(side, origin.url), 'down');
    origin.status = 200;
    await nextCheck(side, origin.url);
    assert.is(stateOf(side, origin.url), 'active');
    const said = side.logs
      .filter(line => line.level === 'warn' || line.level === 'info')
      .map(line => line.msg);
    assert.equal(said.slice(1), [
      `${origin.url} is down: 1 check failed: status 503, expected 2xx`,
      `${origin.url} is active: 1 check passed`,
    ]);
  });
});

test("with initial: 'check' a server is down from its first moment until its first check passes", async () => {
  await withEnds(async started => {
    const [there, added] = [started(await startOrigin()), started(await startOrigin())];
    const side = started(await start([there.url], { initial: 'check', passes: 5 }));
    const seen: string[] = [];
    side.pools.observe({ upstreamChanged: ({ id, state }) => seen.push(`${id} ${state}`) });
    const { entry } = await side.pools.add('default', { url: added.url, weight: 1, state: 'active' });
    assert.is(entry.upstream.record.reason, 'health-check: not checked yet');
    for (const { url } of [there, added]) assert.is(stateOf(side, url), 'down');
    await nextCheck(side, there.url, 10);
    await until('both checks', () => stateOf(side, added.url) === 'active');
    assert.is(stateOf(side, there.url), 'active');
    assert.equal(
      seen.filter(line => line.startsWith(added.url)),
      [`${added.url} down`, `${added.url} active`],
    );
    const said = side.logs.filter(line => line.level === 'info').map(line => line.msg);
    assert.ok(said.includes(`${added.url} is active: its first check passed`));
  });
});

test("initial: 'check' of a server or its pool overrides the plugin's, and counts only where checks are on", async () => {
  await withEnds(async started => {
    const side = started(await start([], { initial: 'active' }));
    const add = async (port: number, check: HealthCheckSettings): Promise<string> => {
      const url = `http://127.0.0.1:${port}`;
      const server = { url, weight: 1, state: 'active' as const, healthCheck: check };
      return (await side.pools.add('default', server)).entry.upstream.state;
    };
    assert.is(await add(1, { initial: 'check' }), 'down');
    assert.is(await add(2, {}), 'active');
    assert.is(await add(3, { initial: 'check', enabled: false }), 'active');
  });
});

test("a reload with initial: 'check' leaves servers with requests alone, and keeps those down that have not passed", async () => {
  await withEnds(async started => {
    const [serving, booting] = [started(await startOrigin()), started(await startOrigin())];
    booting.status = 503;
    const servers = [serving.url, booting.url];
    const first = await managerSide(healthCheck({ initial: 'check', timeout: '10m' }), { servers });
    await nextCheck(first, booting.url, 10);
    await until('the pass', () => stateOf(first, serving.url) === 'active');
    await first.close();
    const second = started(
      await managerSide(healthCheck({ initial: 'check', timeout: '10m', path: '/up' }), {
        servers,
        previous: first,
        clock: first.clock,
      }),
    );
    assert.equal([stateOf(second, serving.url), stateOf(second, booting.url)], ['active', 'down']);
  });
});

test('a reload remembers that a server never passed, so that one pass still makes it active', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin());
    origin.status = 503;
    const options = { jitter: 0, timeout: '10m', passes: 5 } as const;
    const servers = [origin.url];
    const first = await managerSide(healthCheck(options), { servers });
    await nextCheck(first, origin.url, 10);
    await first.close();
    const second = started(
      await managerSide(healthCheck(options), { servers, previous: first, clock: first.clock }),
    );
    assert.is(stateOf(second, origin.url), 'down');
    origin.status = 200;
    await nextCheck(second, origin.url);
    assert.is(stateOf(second, origin.url), 'active');
  });
});

test('a check is GET / with a User-Agent and the Host of the server, on a separate connection', async () => {
  await withEnds(async started => {
    const ports: (number | undefined)[] = [];
    const origin = started(
      await startOrigin((request, response) => {
        ports.push(request.socket.remotePort);
        response.end();
      }),
    );
    const side = started(await start([origin.url]));
    await nextCheck(side, origin.url, 1000);
    await nextCheck(side, origin.url);
    const [request] = origin.requests;
    assert.equal([request?.method, request?.url], ['GET', '/']);
    assert.is(request?.headers['user-agent'], 'weldr-health-check/0.0.0');
    assert.is(request?.headers.host, `127.0.0.1:${origin.port}`);
    assert.is(request?.headers.connection, 'close');
    assert.is(new Set(ports).size, 2);
  });
});

test('path, method, headers, port and statuses are as set for the server', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin());
    origin.status = 302;
    const url = 'http://127.0.0.1:9';
    const side = started(
      await managerSide(healthCheck({ path: '/ignored', timeout: '10m' }), {
        servers: [
          {
            url,
            healthCheck: {
              path: '/ready?x=1',
              method: 'HEAD',
              headers: { Host: 'shop.example', 'X-Check': 'yes' },
              port: origin.port,
              expect: [200, '300-309'],
            },
          },
        ],
      }),
    );
    const report = await nextCheck(side, url, 1000);
    assert.equal([report.status, report.detail], ['passing', '302']);
    const [request] = origin.requests;
    assert.equal([request?.method, request?.url], ['HEAD', '/ready?x=1']);
    assert.equal([request?.headers.host, request?.headers['x-check']], ['shop.example', 'yes']);
    assert.is(origin.requests.length, 1, 'the redirect was not followed');
  });
});

test('a server with a Host setting is checked with it', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin());
    const side = started(
      await managerSide(healthCheck(), { servers: [{ url: origin.url, host: 'shop.example' }] }),
    );
    await nextCheck(side, origin.url, 1000);
    assert.is(origin.requests[0]?.headers.host, 'shop.example');
  });
});

test('no listener, a reset and a response that is not HTTP are failures with their reasons', async () => {
  await withEnds(async started => {
    const gone = await startOrigin();
    await gone.close();
    const resets = started(await startOrigin(request => request.socket.destroy()));
    const babble = createServer(socket =>
      socket
        .resume()
        .end('220 mail.example ESMTP\r\n')
        .on('error', () => {}),
    );
    await new Promise<void>(resolve => babble.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(babble.address() as AddressInfo).port}`;
    started({ close: () => new Promise<void>(resolve => babble.close(() => resolve())) });
    const side = started(await start([gone.url, resets.url, url]));
    side.clock.advance(1000);
    await until('all checks', () =>
      [gone.url, resets.url, url].every(id => healthOf(side, id) !== undefined),
    );
    assert.match(healthOf(side, gone.url)?.detail ?? '', /ECONNREFUSED/);
    assert.match(healthOf(side, resets.url)?.detail ?? '', /closed|reset|hang up/i);
    assert.match(healthOf(side, url)?.detail ?? '', /HTTP|pars|expected/i);
    for (const id of [gone.url, resets.url, url]) assert.is(healthOf(side, id)?.consecutiveFailures, 1);
  });
});

test('a server that does not answer in time fails, and is not asked again meanwhile', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin(() => {}));
    const side = started(await start([origin.url], { interval: '1s', timeout: '5s' }));
    side.clock.advance(1000);
    await until('the check', () => origin.requests.length === 1);
    side.clock.advance(4000);
    assert.is(healthOf(side, origin.url), undefined);
    assert.is(origin.requests.length, 1);
    side.clock.advance(1000);
    await until('the report', () => healthOf(side, origin.url) !== undefined);
    assert.is(healthOf(side, origin.url)?.detail, 'no response within 5000 ms');
  });
});

test('an endless body is not read to its end', async () => {
  await withEnds(async started => {
    const origin = started(
      await startOrigin((_, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(16_384)));
          if (!response.destroyed) response.once('drain', more);
        };
        response.writeHead(200);
        more();
      }),
    );
    const side = started(await start([origin.url]));
    assert.is((await nextCheck(side, origin.url, 1000)).status, 'passing');
  });
});

test('a server that the API adds is checked at once, and a removed one no longer', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin());
    const side = started(await start([]));
    side.clock.advance(60_000);
    const server = { url: origin.url, weight: 1, state: 'active' as const };
    await side.pools.add('default', server);
    await nextCheck(side, origin.url, 10);
    await side.pools.remove('default', origin.url, { force: true });
    assert.is(side.clock.pending, 0, 'nothing is due');
    side.clock.advance(120_000);
    assert.is(origin.requests.length, 1);
  });
});

test('a repeated registration does not disturb the schedule', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin());
    const side = started(await start([], { jitter: 0 }));
    const server = { url: origin.url, weight: 1, state: 'active' as const };
    await side.pools.add('default', server);
    await nextCheck(side, origin.url, 1000);
    for (let n = 0; n < 20; n++) {
      await side.pools.add('default', { ...server, weight: n + 1 });
      side.clock.advance(1000);
    }
    assert.is(origin.requests.length, 1);
    await nextCheck(side, origin.url, 10_000);
  });
});

test('PUT /health-check changes all servers at once and permanently, {} returns to the config', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin());
    const side = started(await start([origin.url], { path: '/config', interval: '10s' }));
    const answer = await side.admin('PUT', '/health-check', {
      path: '/changed',
      interval: '2s',
      failures: 1,
    });
    assert.is(answer.status, 200);
    const expected = {
      enabled: true,
      interval: 2000,
      timeout: 600_000,
      path: '/changed',
      method: 'GET',
      headers: {},
      expect: ['2xx'],
      grpc: false,
      initial: 'active',
      failures: 1,
      passes: 2,
    };
    const withoutOverrides = (body: unknown) => ({ ...Object(body), overrides: undefined });
    const whole = { ...expected, overrides: undefined };
    assert.equal(withoutOverrides(answer.body), whole);
    const shown = await side.admin('GET', '/health-check');
    assert.equal(Object.keys(Object(shown.body).overrides), ['interval', 'path', 'failures']);
    assert.equal(
      (await side.admin('PUT', '/health-check', shown.body)).body,
      shown.body,
      'what GET shows can be PUT',
    );
    origin.status = 500;
    await nextCheck(side, origin.url, 2000);
    assert.is(origin.requests.at(-1)?.url, '/changed');
    assert.is(stateOf(side, origin.url), 'down');
    assert.ok(side.pools.state.row('setting', 'health-check'));
    await side.admin('PUT', '/health-check', {});
    assert.is(side.pools.state.row('setting', 'health-check'), undefined);
    await nextCheck(side, origin.url, 10_000);
    assert.is(origin.requests.at(-1)?.url, '/config');
  });
});

test('invalid settings are refused with their field and change nothing', async () => {
  await withEnds(async started => {
    const side = started(await start([]));
    const before = (await side.admin('GET', '/health-check')).body;
    for (const [body, field] of [
      [{ interval: 'soon' }, 'interval'],
      [{ patth: '/' }, 'patth'],
      [{ headers: { 'Transfer-Encoding': 'chunked' } }, 'headers.Transfer-Encoding'],
      [undefined, ''],
    ] as const) {
      const thrown: unknown = await side.admin('PUT', '/health-check', body).catch((error: unknown) => error);
      assert.ok(thrown instanceof Error && 'field' in thrown && 'status' in thrown);
      assert.equal([thrown.field, thrown.status], [field, 400]);
    }
    assert.equal((await side.admin('GET', '/health-check')).body, before);
  });
});

test('a single server can be configured at run time, or not be checked', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin());
    origin.status = 500;
    const side = started(await start([origin.url], { failures: 1 }));
    await nextCheck(side, origin.url, 1000);
    assert.is(stateOf(side, origin.url), 'down');
    await side.pools.update('default', origin.url, { healthCheck: { enabled: false } });
    assert.is(stateOf(side, origin.url), 'active', 'it is not checked, so it is not found failing');
    assert.is(healthOf(side, origin.url)?.detail, 'checks are off');
    side.clock.advance(120_000);
    assert.is(origin.requests.length, 1);
    await side.pools.update('default', origin.url, { healthCheck: { enabled: true, path: '/now' } });
    await nextCheck(side, origin.url, 1000);
    assert.is(origin.requests.at(-1)?.url, '/now');
  });
});

test('a reload keeps counts, verdicts and the schedule of servers that stay', async () => {
  await withEnds(async started => {
    const bad = started(await startOrigin());
    const worse = started(await startOrigin());
    const servers = [bad.url, { url: worse.url, healthCheck: { failures: 2 } }];
    const options = { interval: '30s', jitter: 0, timeout: '10m' } as const;
    const first = await managerSide(healthCheck(options), { servers });
    first.clock.advance(1000);
    await until(
      'the first checks',
      () => healthOf(first, bad.url) !== undefined && healthOf(first, worse.url) !== undefined,
    );
    bad.status = 500;
    worse.status = 500;
    first.clock.advance(30_000);
    await until(
      'the first failures',
      () =>
        healthOf(first, bad.url)?.consecutiveFailures === 1 &&
        healthOf(first, worse.url)?.consecutiveFailures === 1,
    );
    first.clock.advance(30_000);
    await until(
      'the second failures',
      () => stateOf(first, worse.url) === 'down' && healthOf(first, bad.url)?.consecutiveFailures === 2,
    );
    await first.close();
    assert.is(
      stateOf(first, worse.url),
      'down',
      'no traffic to a server that is down, also between two configs',
    );

    const second = started(
      await managerSide(healthCheck(options), { servers, previous: first, clock: first.clock }),
    );
    assert.is(stateOf(second, worse.url), 'down');
    assert.is(stateOf(second, bad.url), 'active');
    const checks = bad.requests.length;
    second.clock.advance(15_000);
    assert.is(bad.requests.length, checks, 'not due yet');
    assert.is((await nextCheck(second, bad.url, 15_000)).consecutiveFailures, 3);
    assert.is(stateOf(second, bad.url), 'down');
  });
});

test('a checker that is no longer in the config has no effect', async () => {
  await withEnds(async started => {
    const origin = started(await startOrigin());
    origin.status = 500;
    const first = await start([origin.url], { failures: 1 });
    await nextCheck(first, origin.url, 1000);
    await first.close();
    assert.is(stateOf(first, origin.url), 'down');
    first.pools.retain(['round-robin']);
    assert.is(stateOf(first, origin.url), 'active');
    assert.is(healthOf(first, origin.url), undefined);
  });
});

test('stored settings are active after a restart, and those of the config when the stored ones are invalid', async () => {
  await withEnds(async started => {
    const first = await start([]);
    await first.admin('PUT', '/health-check', { interval: 7000 });
    await first.close();
    const second = started(await managerSide(healthCheck(), { previous: first }));
    assert.is(await intervalOf(second), 7000);
    const row = { kind: 'setting', key: 'health-check', op: 'patch', value: { interval: 'never' } } as const;
    await second.pools.state.take([{ ...row, by: 'a test', at: 0 }], 'a test');
    assert.is(await intervalOf(second), 30_000);
    assert.ok(first.logs.some(line => line.level === 'error' && line.msg.includes('cannot be used')));
  });
});

async function intervalOf(side: TestManagerSide): Promise<unknown> {
  const { body } = await side.admin('GET', '/health-check');
  return body !== null && typeof body === 'object' && 'interval' in body ? body.interval : undefined;
}

test('a server on a unix socket is checked over it, as localhost, whatever the port of the checks', async () => {
  await withEnds(async started => {
    const origin = started(await startUnixOrigin());
    const side = started(await start([origin.url], { port: 1 }));
    assert.is((await nextCheck(side, origin.url, 1000)).status, 'passing');
    assert.is(origin.requests[0]?.host, 'localhost');
    await origin.close();
    for (let n = 0; n < 2; n++) await nextCheck(side, origin.url);
    const { status, detail } = await nextCheck(side, origin.url);
    assert.is(status, 'failing');
    assert.is(detail, `connect ENOENT ${origin.path}`);
  });
});
