// A Weldr for chaos runs, and what must hold for it at the end.
import * as assert from 'uvu/assert';
import { startWeldr, type TestWeldr } from '../../support/weldr.ts';
import type { ChaosOrigin } from './chaos-origin.ts';

/** How a Weldr differs from the usual one of chaos runs. */
export interface ChaosOptions {
  readonly origins: readonly ChaosOrigin[];
  /** Sources of more plugins, before the balancer. */
  readonly first?: string;
  /** Options of passive health; default: out for a second, at most for five. */
  readonly passive?: string;
  /** Options of the health checks; default: once a second, two failures or one pass decide. */
  readonly health?: string;
  /** More settings. */
  readonly settings?: string;
  /** URLs of more servers. */
  readonly servers?: readonly string[];
  /** Where it listens; default: any free port. */
  readonly listen?: string;
  /** It speaks HTTP/1.1 and HTTP/2 over TLS, with the certificate in `chaos.pem` and `chaos.key` of its folder. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** See `WeldrOptions` of test/support/weldr.ts. */
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Do not wait until it listens: its log cannot be read. */
  readonly noWait?: true;
}

/** Returns its config. */
export function chaosConfig(options: ChaosOptions): string {
  const { passive = `{ ejection: '1s', maxEjection: '5s' }` } = options;
  const { origins, first = '', health, settings = '', servers = [], listen = '127.0.0.1:0', tls } = options;
  const checks = health ?? `{ interval: '1s', timeout: '900ms', path: '/health', failures: 2, passes: 1 }`;
  return `import { defineConfig, reply } from 'weldr';
import { adminApi, healthCheck, passiveHealth, retry, roundRobin } from 'weldr/plugins';

export default defineConfig({
  listen: [{ address: '${listen}'${tls ? `, tls: { certificates: [{ cert: 'chaos.pem', key: 'chaos.key' }] }` : ''} }],
  workers: 2,
  servers: ${JSON.stringify([...origins.map(({ url }) => url), ...servers])},
  drainTimeout: '60s',
  ${settings}
  plugins: [
    ${first}
    passiveHealth(${passive}),
    roundRobin(),
    retry(),
    healthCheck(${checks}),
    adminApi({ listen: '127.0.0.1:0' }),
  ],
});
`;
}

export async function startChaos(options: ChaosOptions): Promise<TestWeldr> {
  const { shell, env, noWait, tls } = options;
  return await startWeldr({
    config: chaosConfig(options),
    ...(tls === undefined ? {} : { files: { 'chaos.pem': tls.cert, 'chaos.key': tls.key } }),
    ...(shell === undefined ? {} : { shell }),
    ...(env === undefined ? {} : { env }),
    ...(noWait === undefined ? {} : { noWait }),
  });
}

export function portOf({ url }: TestWeldr): number {
  return Number(new URL(url).port);
}

/** Fails for anything uncaught, fatal or on stderr: a defect, whatever clients saw. */
export function assertNoDefect(weldr: TestWeldr): void {
  const bad = weldr.logs.filter(({ level, msg }) => level >= 60 || /uncaught|unhandled|defect/i.test(msg));
  assert.equal(bad, [], 'the log shows a defect');
  assert.is(weldr.output, '', 'something was written to stderr');
}
