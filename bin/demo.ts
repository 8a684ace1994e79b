// `npm start`: Weldr with demo.config.ts, and two origins that register themselves.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { generate } from 'selfsigned';
import { describeError } from '../core/errors.ts';
import { exitCodes } from '../core/process/exit-codes.ts';
import { siblingModule } from '../core/process/sibling-module.ts';
import { startDemoLoad } from './demo-load.ts';
import { start } from './start.ts';

const origins = [
  { name: 'one', port: 12345 },
  { name: 'two', port: 12346 },
] as const;

try {
  const { values } = parseArgs({
    options: {
      ip: { type: 'string' },
      'https-ip': { type: 'string' },
      'admin-ip': { type: 'string' },
      workers: { type: 'string' },
      'no-load': { type: 'boolean' },
    },
  });
  await run({
    ip: values.ip,
    httpsIp: values['https-ip'],
    adminIp: values['admin-ip'],
    workers: values.workers,
    load: values['no-load'] !== true,
  });
} catch (thrown) {
  process.stderr.write(
    `demo: ${describeError(thrown)}\nusage: npm start -- [--ip 0.0.0.0:8080] [--https-ip 0.0.0.0:8443] [--admin-ip 127.0.0.1:8687] [--workers N] [--no-load]\n`,
  );
  process.exit(exitCodes.failed);
}

interface DemoFlags {
  readonly ip: string | undefined;
  readonly httpsIp: string | undefined;
  readonly adminIp: string | undefined;
  readonly workers: string | undefined;
  /** Whether to send requests, so that there is something to see. */
  readonly load: boolean;
}

async function run({ ip, httpsIp, adminIp, workers, load }: DemoFlags): Promise<void> {
  const config = fileURLToPath(new URL('../demo.config.ts', import.meta.url));
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + 90 * 86_400_000),
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  Object.assign(process.env, {
    DEMO_CERT: cert,
    DEMO_KEY: key,
    ...(ip !== undefined && { DEMO_HTTP: ip }),
    ...(httpsIp !== undefined && { DEMO_HTTPS: httpsIp }),
  });
  const manager = await start({ config, adminIp, workers });
  if (manager === undefined) return;
  const adminUrl = `http://${adminIp ?? process.env['WELDR_ADMIN_LISTEN'] ?? '127.0.0.1:8687'}`;
  const [proxy = '', secure = ''] = manager.status.listen.map(address =>
    address.replace(/^0\.0\.0\.0|^\[::\]/, 'localhost'),
  );
  const running = await Promise.all(origins.map(({ name, port }) => startOrigin(adminUrl, name, port)));
  if (manager.status.stopping) return;
  if (load) startDemoLoad(`http://${proxy}`);
  const tries = [
    [`curl ${proxy}`, 'again and again: the origins take turns'],
    [`curl -k https://${secure}`, 'the same over TLS and HTTP/2, with a certificate that was just made'],
    [`curl ${adminUrl}/servers`, 'the servers of the pool, and their state'],
    [`curl -X POST ${running[0]?.url}/health/fail`, 'out after 3 failed checks; /health/pass: back after 2'],
    ['npm run -s test-server -- 12347', 'a third origin, in another terminal'],
    [`curl ${adminUrl}/servers -d '{"url":"http://127.0.0.1:12347"}'`, 'adds it'],
    [`curl ${adminUrl}/stats`, 'the counts'],
    [`npm run -s weldr -- servers --admin-url ${adminUrl}`, 'the same from the command line'],
  ];
  const width = Math.max(...tries.map(([command = '']) => command.length));
  process.stdout.write(`
Weldr proxies  http://${proxy}  https://${secure}
  to           ${running.map(({ url, pid }) => `${url} (process ${pid})`).join('  ')}
Admin API      ${adminUrl}

${tries.map(([command = '', text]) => `  ${command.padEnd(width)}  ${text}`).join('\n')}

${load ? 'About 20 requests a second are sent, so that there is something to see; --no-load turns them off. ' : ''}Ctrl-C ends the demo.

Dashboard      ${adminUrl}/ui/
`);
}

/** Starts an origin in a separate process. Resolves once it has registered itself. */
async function startOrigin(
  adminUrl: string,
  name: string,
  port: number,
): Promise<{ url: string; pid: number | undefined }> {
  const child: ChildProcess = fork(siblingModule('demo-origin', import.meta.url), [
    adminUrl,
    String(port),
    name,
  ]);
  const ended = once(child, 'exit').then(() => {
    throw new Error(`origin ${name} ended before it had registered`);
  });
  ended.catch(() => {});
  const [message] = await Promise.race([once(child, 'message'), ended]);
  return { url: `http://127.0.0.1:${message.port}`, pid: child.pid };
}
