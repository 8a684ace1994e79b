// One origin of the demo: a service that registers itself, and leaves the pool when it dies.
import { describeError } from '../core/errors.ts';
import { exitCodes } from '../core/process/exit-codes.ts';
import { AdminClient } from './admin-client.ts';
import { startTestOrigin, type TestOrigin } from './test-origin.ts';

const [adminUrl = '', wantedPort = '0', name = ''] = process.argv.slice(2);
/** Removed from the pool unless it registers again within this time. */
const ttl = '60s';
const again = 20_000;

const end = (): void => process.exit(exitCodes.ok);
process.on('disconnect', end);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, end);

const origin = await startOnFreePort(Number(wantedPort));
const admin = new AdminClient(adminUrl, process.env['WELDR_ADMIN_TOKEN']);
await register();
setInterval(() => register().catch(() => {}), again);
process.send?.({ name, pid: process.pid, port: origin.port });

async function startOnFreePort(port: number): Promise<TestOrigin> {
  try {
    return await startTestOrigin('127.0.0.1', port, name);
  } catch {
    return await startTestOrigin('127.0.0.1', 0, name);
  }
}

async function register(): Promise<void> {
  const url = `http://127.0.0.1:${origin.port}`;
  const healthCheck = { interval: '1s', timeout: '1s' };
  await admin.call({ method: 'POST', path: '/servers', body: { url, ttl, healthCheck } });
}

process.on('uncaughtException', thrown => {
  process.stderr.write(`demo origin ${name}: ${describeError(thrown)}\n`);
  process.exit(exitCodes.failed);
});
