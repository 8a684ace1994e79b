// A replaced response loses the transforms that were requested for it.
import { Transform } from 'node:stream';
import * as assert from 'uvu/assert';
import { reply } from '../../config/index.ts';
import { cache } from '../../docs/examples/cache.ts';
import { gzip } from '../../docs/examples/gzip.ts';
import { roundRobin } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { tapping } from '../support/tapping.ts';
import { RawClient } from './support/raw-client.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';

const test = suite('a replaced response');
const body = 'x'.repeat(5000);

const later = {
  'a reply of postProxy': tapping('later', hooks =>
    hooks.postProxy.tap('later', () => reply(418, 'plain text\n')),
  ),
  'a throw in postProxy': tapping('later', hooks =>
    hooks.postProxy.tap('later', () => {
      throw new Error('a defect');
    }),
  ),
  'a throw in respond': tapping('later', hooks =>
    hooks.respond.tap('later', ctx => {
      if (ctx.response?.source === 'upstream') throw new Error('a defect');
    }),
  ),
};
for (const [what, plugin] of Object.entries(later)) {
  test(`is not compressed without its head saying so: ${what}`, async () => {
    const origin = await startOrigin({
      handle: (_, r) => r.writeHead(200, { 'content-type': 'text/plain' }).end(body),
    });
    try {
      await withWeldr(
        { servers: [origin.url], plugins: [gzip(), plugin, roundRobin()] },
        async ({ port }) => {
          const client = await RawClient.open(port);
          client.send('GET / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n');
          const message = await client.response();
          assert.equal(
            [
              statusOf(message),
              valuesOf(message, 'content-encoding'),
              message.body.slice(0, 2) === '\x1f\x8b',
            ],
            [what.startsWith('a reply') ? 418 : 500, [], false],
          );
          client.close();
        },
      );
    } finally {
      await origin.close();
    }
  });
}

test('is not cached as the body of the original', async () => {
  let fail = true;
  const origin = await startOrigin({
    handle: (_, r) =>
      r.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'max-age=60' }).end(body),
  });
  const once = tapping('once', hooks =>
    hooks.postProxy.tap('once', () => {
      const now = fail;
      fail = false;
      return now ? reply(503, 'not now\n') : undefined;
    }),
  );
  try {
    await withWeldr({ servers: [origin.url], plugins: [cache(), once, roundRobin()] }, async ({ url }) => {
      assert.is((await fetch(url)).status, 503);
      const second = await fetch(url);
      assert.equal([second.status, (await second.text()).slice(0, 20)], [200, body.slice(0, 20)]);
    });
  } finally {
    await origin.close();
  }
});

test('passes through the transforms that were requested before any response', async () => {
  const origin = await startOrigin();
  const shout = () =>
    new Transform({ transform: (chunk: Buffer, _, done) => done(null, chunk.toString().toUpperCase()) });
  const early = tapping('early', hooks =>
    hooks.request.tap('early', ctx => void ctx.transformResponse(shout)),
  );
  const replies = tapping('replies', hooks => hooks.postProxy.tap('replies', () => reply(200, 'quiet\n')));
  try {
    await withWeldr({ servers: [origin.url], plugins: [early, replies, roundRobin()] }, async ({ url }) => {
      assert.is(await (await fetch(url)).text(), 'QUIET\n');
    });
  } finally {
    await origin.close();
  }
});
