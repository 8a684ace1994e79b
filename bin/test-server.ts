// `npm run -s test-server -- [PORT]`: an origin on 127.0.0.1 for trials.
import { describeError } from '../core/errors.ts';
import { exitCodes } from '../core/process/exit-codes.ts';
import { startTestOrigin, testOriginPaths } from './test-origin.ts';

const [text = '12345'] = process.argv.slice(2);
const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
if (!(port <= 65535)) {
  process.stderr.write(`test-server: expected a port, got ${text}\n`);
  process.exit(exitCodes.usage);
}
try {
  const origin = await startTestOrigin('127.0.0.1', port);
  const paths = testOriginPaths.map(([path, answer]) => `  ${path.padEnd(20)}${answer}\n`).join('');
  process.stdout.write(`An origin listens on http://127.0.0.1:${origin.port}\n${paths}`);
} catch (thrown) {
  process.stderr.write(
    `test-server: ${describeError(thrown)}; another port: npm run -s test-server -- PORT\n`,
  );
  process.exit(exitCodes.failed);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(exitCodes.ok));
