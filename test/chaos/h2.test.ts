// HTTP/2 over TLS under load: reloads, new certificates and the death of a server lose nothing.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type MadeCertificate, makeCertificate } from '../support/authority.ts';
import { suite } from '../support/suite.ts';
import type { TestWeldr } from '../support/weldr.ts';
import { Admin } from './support/admin.ts';
import { type ChaosOrigin, executedTwice, startOrigins } from './support/chaos-origin.ts';
import { assertNoDefect, portOf, startChaos } from './support/chaos-weldr.ts';
import { H2Sessions } from './support/h2-sessions.ts';
import { Load, type LoadOptions } from './support/load.ts';
import { figure, size } from './support/size.ts';

const test = suite('chaos: HTTP/2 over TLS', { timeoutMs: 900_000, testTimeoutMs: 600_000 });

const authority = makeCertificate({ names: ['authority'], isAuthority: true });
const signed = (days: number): MadeCertificate => makeCertificate({ names: ['chaos.test'], days, authority });

let origins: ChaosOrigin[] = [];
let weldr: TestWeldr;

test.before(async () => {
  origins = await startOrigins(3);
  weldr = await startChaos({ origins, tls: signed(365) });
});

test.after(async () => {
  await weldr.stop();
  assertNoDefect(weldr);
  await Promise.all(origins.map(origin => origin.kill()));
});

/** Replaces the active certificate, and waits until the new one is shown. */
async function change(certificate: MadeCertificate): Promise<void> {
  const from = weldr.logs.length;
  writeFileSync(join(weldr.folder, 'next.key'), certificate.key);
  writeFileSync(join(weldr.folder, 'next.pem'), certificate.cert);
  renameSync(join(weldr.folder, 'next.key'), join(weldr.folder, 'chaos.key'));
  renameSync(join(weldr.folder, 'next.pem'), join(weldr.folder, 'chaos.pem'));
  await weldr.logged(({ msg }) => /^certificate \S+ is new$/.test(msg), { from });
}

async function under(
  sessions: H2Sessions,
  load: Pick<LoadOptions, 'clients' | 'downloads' | 'methods' | 'pauseMs'>,
  body: (load: Load) => Promise<void>,
) {
  const connect = (use: 'kept' | 'once') => sessions.connection(use);
  const done = await Load.during({ port: portOf(weldr), connect, ...load }, body);
  sessions.close();
  return done;
}

test('fails no GET when one of three servers is killed', async () => {
  const admin = new Admin(weldr);
  const [origin] = origins;
  if (origin === undefined) throw new Error('there is no origin');
  const sessions = new H2Sessions(portOf(weldr), authority.cert, 4);
  const load = await under(
    sessions,
    { clients: 12, pauseMs: size(30, 0), methods: ['GET', 'HEAD'] },
    async running => {
      await running.requestsMore(size(300, 5_000));
      await origin.kill();
      await admin.until(origin, 'down', 5_000);
      await running.requestsMore(size(300, 5_000));
      await origin.start();
      await admin.until(origin, 'active');
      await running.requestsMore(size(200, 5_000));
    },
  );
  assert.is(load.failures.length, 0, load.summary());
  figure(
    `HTTP/2 over TLS: one of three is killed: ${load.requests} GET and HEAD requests, ` +
      `${load.failures.length} failed`,
  );
});

test('loses no request or download over reloads and new certificates', async () => {
  const rounds = size(1, 20);
  const sessions = new H2Sessions(portOf(weldr), authority.cert, 4);
  const load = await under(sessions, { clients: 24, pauseMs: size(5, 0), downloads: 4 }, async running => {
    for (let n = 0; n < rounds; n++) {
      await running.requestsMore(size(300, 2_000));
      const from = weldr.logs.length;
      weldr.signal('SIGHUP');
      await weldr.logged(({ msg }) => /reloaded/.test(msg), { from });
      await running.requestsMore(size(100, 1_000));
      await change(signed(100 + n));
    }
    await running.requestsMore(size(300, 2_000));
  });
  assert.is(load.failures.length, 0, JSON.stringify(load.failures.slice(0, 5)));
  assert.equal(executedTwice(origins), []);
  figure(
    `HTTP/2 over TLS: ${rounds} reloads and as many new certificates in ${load.requests} requests and ` +
      `${load.downloads} downloads: ${load.failures.length} lost, ${sessions.retried} sent again that were refused`,
  );
});
