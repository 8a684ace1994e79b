// A Weldr whose pool names its own admin API, or itself: neither can be reached through the proxy.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('own addresses, end to end');

for (const workers of [0, 2]) {
  test(`the proxy reaches neither the admin API nor itself, with ${workers} workers`, async () => {
    const weldr = await startWeldr({
      config: `
        import { defineConfig } from 'weldr';
        import { adminApi, roundRobin } from 'weldr/plugins';
        export default defineConfig({
          listen: '127.0.0.1:0', workers: ${workers}, via: false, forwarded: { mode: 'remove' },
          plugins: [adminApi({ listen: '127.0.0.1:0' }), roundRobin()],
        });`,
    });
    try {
      for (const own of [weldr.adminUrl, weldr.url]) {
        const { port } = new URL(own);
        const url = `http://localhost:${port}`;
        const added = await fetch(`${weldr.adminUrl}/servers`, {
          method: 'POST',
          body: JSON.stringify({ url }),
        });
        assert.is(added.status, 201);
        // 503 until a worker knows the server; a refusal may still concern the previous one.
        const refusal = `connect to ${url}: this Weldr itself listens there`;
        await until(refusal, async () => {
          const body = '{"url":"http://127.0.0.1:1"}';
          const { status } = await fetch(`${weldr.url}/servers`, { method: 'POST', body });
          assert.ok(status === 508 || status === 503, `${status}`);
          return weldr.logs.some(({ msg }) => msg.includes(refusal));
        });
        await fetch(`${weldr.adminUrl}/servers/localhost/${port}`, { method: 'DELETE' });
      }
      // A draining server is listed until its last request has ended.
      await until('no server, and none that came through the proxy', async () => {
        const list = (await (await fetch(`${weldr.adminUrl}/servers`)).json()) as {
          servers: { port: number }[];
        };
        assert.ok(list.servers.every(({ port }) => port !== 1));
        return list.servers.length === 0;
      });
    } finally {
      await weldr.stop();
    }
  });
}
