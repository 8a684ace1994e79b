// Body transforms that fail every time, or are created wrongly: they fail only their request, and nothing of it reaches
// another.
import { type Duplex, PassThrough, Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import * as assert from 'uvu/assert';
import type { BodyTransform } from '../../core/request/body-transform.ts';
import { reply } from '../../core/request/reply.ts';
import type { RequestHooks } from '../../core/stages/request-hooks.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, ok } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';
import {
  between,
  get,
  half,
  onRequest,
  onResponse,
  other,
  pass,
  post,
  type Setup,
  throws,
} from './support/transforming.ts';

const fails = (): Transform => new Transform({ transform: (_, __, done) => done(new Error('on purpose')) });
const each = suite('a transform that fails every time');

/** None of them passes anything on, whatever the body. */
const hopeless: readonly (readonly [how: string, make: BodyTransform])[] = [
  ['gunzip of uncompressed data', () => createGunzip()],
  ['one that fails', fails],
  ['one that throws', () => new Transform({ transform: throws })],
  ['one that is destroyed', () => new PassThrough().destroy()],
  ['one that never continues', () => new Transform({ transform() {} })],
  ['one whose factory throws', throws],
];

for (const [how, make] of hopeless) {
  each(`${how}: a response becomes one 500 with one log line, and the connection stays open`, async () => {
    let made = 0;
    const counted: BodyTransform = () => {
      made++;
      return make();
    };
    await between({ tap: onResponse(counted), answer: () => ok('abc') }, async ({ client, proxy }) => {
      client.send(get + other);
      const [failed, next] = await client.responses('GET', 'GET');
      assert.equal([failed && statusOf(failed), failed?.body], [500, '500 a plugin failed\n']);
      assert.equal([next?.body, made], ['abc', 1]);
      assert.is(proxy.log.filter(({ stage }) => stage === 'transform').length, 1);
      assert.equal(
        proxy.finished.map(ctx => [ctx.status, ctx.error?.code]),
        [
          [500, 'PLUGIN_FAILED'],
          [200, undefined],
        ],
      );
    });
  });

  each(`${how}: a reply becomes one 500`, async () => {
    let made = 0;
    const tap = (hooks: RequestHooks) =>
      hooks.request.tap('replier', ctx => {
        ctx.transformResponse(() => {
          made++;
          return make();
        });
        return reply(403, 'no way');
      });
    await between({ tap }, async ({ client }) => {
      client.send(get);
      const failed = await client.response();
      assert.equal([statusOf(failed), made], [500, 1]);
    });
  });

  each(`${how}: a request gets one 500, whose body passes the response's transforms once`, async () => {
    const made: string[] = [];
    const tap = (hooks: RequestHooks) => {
      hooks.postProxy.tap('wrong', ctx => (ctx.error === undefined ? reply(500, 'not reached') : undefined));
      hooks.request.tap('transformer', ctx => {
        ctx.transformRequest(() => {
          made.push('request');
          return make();
        });
        ctx.transformResponse(() => {
          made.push('response');
          return make();
        });
        return undefined;
      });
    };
    await between({ tap }, async ({ client }) => {
      client.send(post('abc'));
      assert.is(statusOf(await client.response('POST')), 500);
      assert.equal(made, ['request', 'response']);
    });
  });
}

each('resets the connection of an HTTP/1.0 client so that the part does not look complete', async () => {
  const later = (): Transform => {
    let chunks = 0;
    return new Transform({
      transform: (chunk, _, done) => (chunks++ === 0 ? done(null, chunk) : done(new Error('on purpose'))),
    });
  };
  await between({ tap: onResponse(later), answer: half }, async ({ client, origin }) => {
    client.send('GET / HTTP/1.0\r\n\r\n');
    await client.until('the beginning', () => client.text.endsWith('abc'));
    origin.connections[0]?.send('def');
    await client.untilEnd();
    assert.is(client.failure, 'ECONNRESET');
  });
});

each('is treated like a body that its upstream cut, for an HTTP/1.0 client too', async () => {
  await between({ tap: onResponse(pass), answer: half }, async ({ client, origin }) => {
    client.send('GET / HTTP/1.0\r\n\r\n');
    await client.until('the beginning', () => client.text.endsWith('abc'));
    origin.connections[0]?.cut();
    await client.untilEnd();
    assert.is(client.failure, 'ECONNRESET');
  });
});

const factories = suite('the factory of a transform');

for (const [where, on, request] of [
  ['request', onRequest, post('abc')],
  ['response', onResponse, get],
] as const) {
  factories(
    `of a ${where} that is asynchronous fails its request, and its rejection does no other harm`,
    async () => {
      for (const settle of [async () => throws(), async () => new PassThrough()]) {
        const make = settle as unknown as BodyTransform;
        await between({ tap: on(make) }, async ({ client, proxy }) => {
          client.send(request);
          assert.is(statusOf(await client.response()), 500);
          const line = proxy.log.find(({ stage }) => stage === 'transform');
          assert.match(String(line?.msg), 'a body transform is a promise, which is not waited for');
          assert.is(line?.['plugin'], 'transformer');
        });
      }
    },
  );

  factories(`of a ${where} that throws leaves none of the streams before it open`, async () => {
    const made: Duplex[] = [];
    const kept: BodyTransform = () => {
      const stream = new PassThrough();
      made.push(stream);
      return stream;
    };
    await between({ tap: on(kept, kept, throws) }, async ({ client }) => {
      client.send(request);
      assert.is(statusOf(await client.response()), 500);
      assert.equal(
        made.map(({ destroyed }) => destroyed),
        [true, true],
      );
    });
  });

  factories(
    `of a ${where} that returns one stream for two requests fails the second, and mixes nothing`,
    async () => {
      const shared = new PassThrough();
      const script: Setup = { tap: on(() => shared), answer: where === 'response' ? half : echo };
      await between(script, async ({ client, proxy }) => {
        client.send(where === 'response' ? get : `${post('abc').replace(': 3', ': 9')}`);
        await until('the first', () => shared.listenerCount('data') > 0);
        const second = await RawClient.open(proxy.port);
        second.send(request);
        assert.is(statusOf(await second.response()), 500);
        second.close();
        assert.not.match(client.text, 'abcabc');
        client.reset();
      });
    },
  );

  factories(`of a ${where} that returns one stream for two places in a chain fails its request`, async () => {
    const shared = new PassThrough();
    await between(
      {
        tap: on(
          () => shared,
          pass,
          () => shared,
        ),
      },
      async ({ client }) => {
        client.send(request);
        assert.is(statusOf(await client.response()), 500);
        assert.ok(shared.destroyed);
      },
    );
  });
}
