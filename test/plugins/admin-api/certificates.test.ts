// The routes of certificates: what is put, shown, refused and removed, and that no answer contains a key.
import * as assert from 'uvu/assert';
import { listenerTls } from '../../../core/certificates/listener-tls.ts';
import { readTls } from '../../../core/certificates/tls-reading.ts';
import { FakeClock } from '../../../core/testing.ts';
import { makeCertificate } from '../../support/authority.ts';
import { suite } from '../../support/suite.ts';
import { type Answer, type Api, at, withApi } from './api.ts';

const test = suite('admin-api certificates');

const shop = makeCertificate({ names: ['shop.test', '*.shop.test'] });
const next = makeCertificate({ names: ['shop.test'], days: 90 });
const old = makeCertificate({ names: ['shop.test'], days: -1 });
const ofConfig = { public: readTls(listenerTls.parse({ certificates: [shop] }), 'tls').material };
const path = '/certificates/shop.test';

/** An API whose answers and log are searched for keys. */
async function withCalls(body: (api: Api) => Promise<void>): Promise<void> {
  await withApi({ clock: new FakeClock(Date.now()) }, async api => {
    const texts: string[] = [];
    const call = async (...args: Parameters<Api['call']>): Promise<Answer> => {
      const answer = await api.call(...args);
      texts.push(answer.text);
      return answer;
    };
    await body({ ...api, call });
    assert.not.match(texts.join('\n') + JSON.stringify(api.side.logs), /END PRIVATE KEY|END CERTIFICATE/);
  });
}

test('a certificate is put, shown without its key, replaced and removed', async () => {
  await withCalls(async ({ call }) => {
    const made = await call('PUT', '/certificates/Shop.test', shop);
    assert.is(made.status, 201);
    assert.equal(at(made.body, 'names'), ['shop.test', '*.shop.test']);
    assert.equal(
      ['name', 'issuer', 'keyType', 'layer', 'daysLeft'].map(field => at(made.body, field)),
      ['shop.test', 'shop.test', 'ec', 'api', 365],
    );
    assert.match(String(at(made.body, 'notAfter')), /^\d{4}-\d\d-\d\dT/);
    assert.match(String(at(made.body, 'fingerprint')), /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    const again = await call('PUT', path, shop);
    assert.is(again.status, 200);
    assert.is(again.headers.get('etag'), made.headers.get('etag'));
    const other = await call('PUT', path, next);
    assert.is(at(other.body, 'daysLeft'), 90);
    assert.is((await call('GET', path)).text, other.text);
    const list = await call('GET', '/certificates');
    assert.is(at(list.body, 'certificates.0.name'), 'shop.test');
    assert.is((await call('DELETE', path)).status, 204);
    assert.equal(at((await call('GET', '/certificates')).body, 'certificates'), []);
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await call(method, path);
      assert.equal([status, at(body, 'code')], [404, 'NOT_FOUND']);
    }
  });
});

test('a mistake is answered with its field', async () => {
  await withCalls(async ({ call }) => {
    for (const [body, field, detail] of [
      [{ ...shop, key: next.key }, 'key', /is not the key of `cert`/],
      [{ ...shop, cert: 'x' }, 'cert', /cannot be read/],
      [{ cert: shop.cert }, 'key', /key/],
      [old, 'cert', /expired on \d{4}-\d\d-\d\d/],
      [{ ...shop, days: 3 }, undefined, /days/],
    ] as const) {
      const answer = await call('PUT', path, body);
      assert.is(answer.status, 400);
      if (field !== undefined) assert.is(at(answer.body, 'field'), field);
      assert.match(String(at(answer.body, 'detail')), detail);
    }
    assert.is(at((await call('PUT', '/certificates/a%2Fb', shop)).body, 'field'), 'name');
  });
});

test('a certificate of the config is shadowed, never removed, and restored with ?override', async () => {
  await withCalls(async ({ side, call }) => {
    side.certificates.setConfig(ofConfig);
    assert.equal(at((await call('GET', path)).body, 'defaultOf'), ['public']);
    const refused = await call('DELETE', path);
    assert.equal([refused.status, at(refused.body, 'code')], [409, 'CONFLICT']);
    const put = await call('PUT', path, next);
    assert.equal([put.status, at(put.body, 'layer'), at(put.body, 'shadows')], [200, 'api', 'config']);
    assert.is((await call('DELETE', path)).status, 409);
    const back = await call('DELETE', `${path}?override`);
    assert.equal([back.status, at(back.body, 'layer'), at(back.body, 'shadows')], [200, 'config', undefined]);
    assert.is((await call('PUT', '/certificates/mine', next)).status, 201);
    assert.is((await call('DELETE', '/certificates/mine?override')).status, 400);
  });
});

test('conditions and dry runs apply, and a batch changes several at once', async () => {
  await withCalls(async ({ call }) => {
    const dry = await call('PUT', `${path}?dryRun`, shop);
    assert.equal(at(dry.body, 'changes.0.op'), 'add');
    assert.is((await call('GET', path)).status, 404);
    assert.is((await call('PUT', path, shop, { 'If-Match': '*' })).status, 412);
    const made = await call('PUT', path, shop, { 'If-None-Match': '*' });
    const etag = made.headers.get('etag') ?? '';
    assert.is((await call('PUT', path, next, { 'If-None-Match': '*' })).status, 412);
    assert.is((await call('PUT', path, next, { 'If-Match': etag })).status, 200);
    assert.is((await call('DELETE', path, undefined, { 'If-Match': etag })).status, 412);
    const would = await call('PUT', `${path}?dryRun`, shop);
    assert.match(would.text, /"field":"cert"/);
    const wrong = await call('POST', '/batch', {
      changes: [
        { op: 'add', kind: 'certificate', name: 'a.test', value: shop },
        { op: 'add', kind: 'certificate', name: 'b.test', value: { ...shop, key: next.key } },
      ],
    });
    assert.equal([wrong.status, at(wrong.body, 'field')], [400, 'changes[1].key']);
    assert.is((await call('GET', '/certificates/a.test')).status, 404);
    const done = await call('POST', '/batch', {
      changes: [
        { op: 'add', kind: 'certificate', name: 'a.test', value: shop },
        { op: 'remove', kind: 'certificate', name: 'shop.test' },
      ],
    });
    assert.is(done.status, 200);
    assert.is((await call('GET', '/certificates/a.test')).status, 200);
  });
});

test('an export has certificates only with their keys', async () => {
  await withApi({ clock: new FakeClock(Date.now()) }, async ({ call, side }) => {
    await call('PUT', path, shop);
    assert.equal(at((await call('GET', '/pool/export')).body, 'rows'), []);
    const whole = (await call('GET', '/pool/export?secrets')).body;
    assert.is(at(whole, 'rows.0.key'), 'shop.test');
    await call('POST', '/pool/reset');
    assert.is((await call('GET', path)).status, 404);
    assert.is((await call('POST', '/pool/import', whole)).status, 200);
    assert.is(side.certificates.operators[0]?.key, shop.key);
  });
});
