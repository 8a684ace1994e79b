// The example request-id, in a real Weldr between real clients and origins.
import * as assert from 'uvu/assert';
import { definePlugin } from '../../config/index.ts';
import { requestId } from '../../docs/examples/request-id.ts';
import { retry, roundRobin } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { RawClient } from '../wire/support/raw-client.ts';
import { valuesOf } from '../wire/support/strict-message.ts';

const test = suite('the example request-id');
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

let origin: Origin;
const received: (string | string[] | undefined)[] = [];
test.before(async () => {
  origin = await startOrigin({
    handle(request, response) {
      received.push(request.headers['x-request-id']);
      response.setHeader('X-Request-Id', 'of the upstream');
      response.end();
    },
  });
});
test.after(() => origin.close());

const notes: string[] = [];
const recorder = definePlugin({
  name: 'recorder',
  worker({ hooks }) {
    hooks.finished.tap('recorder', ctx => void notes.push(...ctx.notes));
  },
})();

const config = () => ({
  servers: [origin.url],
  forwarded: { trusted: ['127.0.0.1'] },
  plugins: [requestId({ trusted: ['10.0.0.0/8'] }), roundRobin(), retry(), recorder],
});

async function idFor(url: string, client: string, given: string): Promise<string> {
  const headers = { 'x-forwarded-for': client, 'x-request-id': given };
  return (await fetch(url, { headers })).headers.get('x-request-id') ?? '';
}

test('makes an id, or uses that of a trusted client, for upstream, client and notes alike', async () => {
  await withWeldr(config(), async ({ url }) => {
    received.length = notes.length = 0;
    assert.is(await idFor(url, '10.1.1.1', 'abc-123'), 'abc-123');
    const made = await idFor(url, '192.0.2.1', 'abc-123');
    assert.match(made, uuid);
    assert.match(await idFor(url, '10.1.1.1', 'two words'), uuid);
    assert.match(await idFor(url, '10.1.1.1', 'x'.repeat(129)), uuid);
    assert.equal(received.slice(0, 2), ['abc-123', made]);
    assert.equal(notes.slice(0, 2), ['request id abc-123', `request id ${made}`]);
  });
});

test('is the same in each attempt, and on failures', async () => {
  const dead = `http://127.0.0.1:${await freePort()}`;
  await withWeldr({ ...config(), servers: [dead, origin.url] }, async ({ url }) => {
    received.length = 0;
    const ids = [await idFor(url, '10.1.1.1', 'one'), await idFor(url, '10.1.1.1', 'two')];
    assert.equal(
      [ids, received],
      [
        ['one', 'two'],
        ['one', 'two'],
      ],
    );
  });
  await withWeldr({ ...config(), servers: [dead] }, async ({ url }) => {
    assert.is(await idFor(url, '10.1.1.1', 'one'), 'one');
  });
});

test('is on the response to a malformed request', async () => {
  await withWeldr(config(), async ({ port }) => {
    notes.length = 0;
    const client = await RawClient.open(port);
    client.send('hello\r\n\r\n');
    const [id = ''] = valuesOf(await client.response(), 'x-request-id');
    client.close();
    assert.match(id, uuid);
    await until('it is noted', () => notes.length > 0);
    assert.equal(notes, [`request id ${id}`]);
  });
});
