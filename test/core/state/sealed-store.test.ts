// Secrets at rest: a TLS key can be read only where it is used.
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Batch, Row } from '../../../core/state/row.ts';
import { SealedStore } from '../../../core/state/sealed-store.ts';
import type { StateStore } from '../../../core/state/store.ts';
import { managerSide } from '../../../core/testing.ts';
import { adminApi, poolFile } from '../../../plugins/index.ts';
import { certificate, privateKey } from '../../support/certificate.ts';
import { suite } from '../../support/suite.ts';
import { rejectionOf } from '../../support/weldr-error.ts';

const test = suite('secrets at rest');

const id = 'https://127.0.0.1:1';
const key = privateKey;
const value = { url: id, tls: { key, cert: certificate } };

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-secrets-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const startIn = (folder: string, keyFile = 'pool.key') =>
  managerSide([
    poolFile({ path: join(folder, 'pool.json'), keyFile: join(folder, keyFile) }),
    adminApi({ listen: '127.0.0.1:0' }),
  ]);

test('a TLS key is encrypted in the file, used over restarts, and writing it again writes nothing', async () => {
  await inFolder(async folder => {
    const first = await startIn(folder);
    await first.admin('POST', '/servers', value);
    const { size } = statSync(join(folder, 'pool.json'));
    await first.admin('POST', '/servers', value);
    assert.is(statSync(join(folder, 'pool.json')).size, size);
    await first.close();
    const kept = readFileSync(join(folder, 'pool.json'), 'utf8');
    assert.not.match(kept, 'PRIVATE KEY');
    assert.match(kept, 'BEGIN CERTIFICATE');
    assert.is(statSync(join(folder, 'pool.key')).mode & 0o777, 0o600);
    const second = await startIn(folder);
    assert.is(second.pools.get('default', id)?.server.tls?.key, key);
    await second.close();
    writeFileSync(join(folder, 'other.key'), `${Buffer.alloc(32, 1).toString('base64')}\n`, { mode: 0o600 });
    assert.match((await rejectionOf(startIn(folder, 'other.key'))).message, 'a key other than');
    assert.is(readFileSync(join(folder, 'pool.json'), 'utf8'), kept);
  });
});

test('a key file that is invalid, or that others can read, is refused with the remedy', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.key');
    writeFileSync(path, 'short', { mode: 0o600 });
    assert.match((await rejectionOf(startIn(folder))).message, 'openssl rand -base64 32');
    writeFileSync(path, Buffer.alloc(32).toString('base64'));
    chmodSync(path, 0o644);
    assert.match((await rejectionOf(startIn(folder))).message, 'chmod 600');
    assert.match((await rejectionOf(startIn(folder, 'no/such/folder.key'))).message, 'cannot be made');
  });
});

test('an export omits TLS keys unless they are requested, and an export without them is not imported', async () => {
  await inFolder(async folder => {
    const side = await startIn(folder);
    await side.admin('POST', '/servers', value);
    const without = (await side.admin('GET', '/pool/export')).body;
    assert.not.match(JSON.stringify(without), 'PRIVATE KEY');
    assert.match(
      (await rejectionOf(side.admin('POST', '/pool/import', without))).message,
      'export with --secrets',
    );
    const whole = (await side.admin('GET', '/pool/export?secrets')).body;
    assert.match(JSON.stringify(whole), 'PRIVATE KEY');
    assert.is((await side.admin('POST', '/pool/import', whole)).status, 200);
    assert.ok(side.logs.some(({ level, msg }) => level === 'warn' && msg.includes('with their TLS keys')));
    assert.ok(side.logs.every(line => !JSON.stringify(line).includes('PRIVATE KEY')));
    await side.close();
  });
});

test('rows of another node are opened as they arrive, and those sealed with another key are passed on unchanged', async () => {
  const [mine, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const rowOf = (name: string): Row => ({ kind: 'server', key: name, op: 'define', value, by: 'me', at: 1 });
  const kept: Batch[] = [];
  let tell: (batch: Batch) => void = () => {};
  const store: StateStore = {
    layer: 'cluster',
    load: async () => [],
    write: async batch => void kept.push(batch),
    watch: listener => {
      tell = listener;
    },
  };
  const batchOf = (name: string): Batch => ({
    by: 'me',
    at: 1,
    changes: [{ kind: 'server', key: name, row: rowOf(name) }],
  });
  await new SealedStore(store, mine).write(batchOf('a'));
  await new SealedStore(store, other).write(batchOf('b'));
  const told: unknown[] = [];
  new SealedStore(store, mine).watch(({ changes }) => told.push(changes[0]?.row?.value?.['tls']));
  for (const batch of kept) tell(batch);
  assert.equal(told[0], { key, cert: certificate });
  assert.not.match(JSON.stringify(told[1]), 'PRIVATE KEY');
});
