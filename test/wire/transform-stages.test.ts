// Body transforms and stages: which stages may ask for one, and that none extends the timeout of a stage.
import { PassThrough, Transform } from 'node:stream';
import * as assert from 'uvu/assert';
import type { BodyTransform } from '../../core/request/body-transform.ts';
import { reply } from '../../core/request/reply.ts';
import { retry } from '../../core/request/retry.ts';
import type { RequestHooks } from '../../core/stages/request-hooks.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { ok, type Script } from './support/scripted-origin.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';
import { between, doubled, get, onRequest, onResponse, post } from './support/transforming.ts';

/** Emits its input only when told to. */
class Gate extends Transform {
  private held: (() => void) | undefined = undefined;

  override _transform(chunk: Buffer, _: BufferEncoding, done: (error: null, data: Buffer) => void): void {
    this.held = () => done(null, chunk);
  }

  open(): void {
    this.held?.();
  }

  get holds(): boolean {
    return this.held !== undefined;
  }
}

const stages = suite('transforms and stages');

for (const [when, onBytes] of [
  ['the response came early', (connection => connection.send(ok('early'))) satisfies Script['onBytes']],
  ['the attempt failed', (connection => connection.cut()) satisfies Script['onBytes']],
] as const) {
  stages(
    `a request's transform that continues after ${when} does not extend the timeout of a stage`,
    async () => {
      const gate = new Gate();
      let judging = false;
      const tap = (hooks: RequestHooks) => {
        onRequest(() => gate)(hooks);
        hooks.judge.tapPromise('never', () => {
          judging = true;
          return new Promise(() => {});
        });
      };
      await between({ tap, onBytes }, async ({ client, proxy }) => {
        client.send(post('abc'));
        await until('the stage', () => judging && gate.holds);
        gate.open();
        assert.is(statusOf(await client.response('POST')), 500);
        assert.match(proxy.finished[0]?.error?.message ?? '', 'plugin never in judge: took over 300 ms');
        client.send(get);
      });
    },
  );
}

stages("a request's transform that continues does not extend the timeout of a response's", async () => {
  const gate = new Gate();
  let stuck = false;
  const never: BodyTransform = () =>
    new Transform({
      transform() {
        stuck = true;
      },
    });
  const tap = (hooks: RequestHooks) => {
    onRequest(() => gate)(hooks);
    onResponse(never)(hooks);
  };
  const onBytes: Script['onBytes'] = connection => connection.send(ok('early'));
  await between({ tap, onBytes }, async ({ client }) => {
    client.send(post('abc'));
    await until('both', () => stuck && gate.holds);
    gate.open();
    assert.is(statusOf(await client.response('POST')), 500);
  });
});

stages('a transform that fails after its attempt does not prevent another attempt', async () => {
  const gates: Gate[] = [];
  const goOn = Promise.withResolvers<typeof retry | undefined>();
  let judging = false;
  const tap = (hooks: RequestHooks) => {
    onRequest(() => {
      if (gates.length > 0) return new PassThrough();
      const gate = new Gate();
      gates.push(gate);
      return gate;
    })(hooks);
    hooks.judge.tapPromise('later', async ctx => {
      if (ctx.error === undefined) return undefined;
      judging = true;
      return await goOn.promise;
    });
  };
  const onBytes: Script['onBytes'] = connection => {
    if (connection.number === 0) connection.cut();
  };
  const settings = { timeouts: { stage: '5s' } };
  await between({ tap, onBytes, settings }, async ({ client, proxy }) => {
    client.send(post('abc'));
    await until('the stage', () => judging);
    gates[0]?.destroy(new Error('too late'));
    await new Promise(resolve => setImmediate(resolve));
    goOn.resolve(retry);
    assert.match((await client.response('POST')).body, '|abc]');
    assert.is(proxy.finished[0]?.attempts.length, 2);
  });
});

stages('a request whose transform never ends is bounded even when the response has begun', async () => {
  const settings = { timeouts: { stage: '300ms', body: '300ms' } };
  const onBytes: Script['onBytes'] = connection =>
    connection.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
  const endless = (): Transform =>
    new Transform({ transform: (chunk, _, done) => done(null, chunk), flush() {} });
  await between({ tap: onRequest(endless), onBytes, settings }, async ({ client }) => {
    client.send(post('abc'));
    const text = await client.untilEnd();
    assert.ok(text.endsWith('\r\n\r\nabc'), text);
  });
});

stages('an asynchronous tap may ask for one, even for a chunked response', async () => {
  const tap = (hooks: RequestHooks) =>
    hooks.postProxy.tapPromise('later', async ctx => {
      await new Promise(resolve => setImmediate(resolve));
      ctx.transformResponse(doubled);
      return undefined;
    });
  const answer: Script['answer'] = () =>
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
  await between({ tap, answer }, async ({ client }) => {
    client.send(get + get);
    const bodies = (await client.responses('GET', 'GET')).map(({ body }) => body);
    assert.equal(bodies, ['abcabc', 'abcabc']);
  });
});

stages('the last stage, respond, may ask for one for any response', async () => {
  const tap = (hooks: RequestHooks) => {
    hooks.request.tap('replier', ctx => (ctx.request.target === '/reply' ? reply(200, 'hi') : undefined));
    hooks.respond.tap('last', ctx => ctx.transformResponse(doubled));
  };
  await between({ tap, answer: () => ok('abc') }, async ({ client }) => {
    client.send(`${get}GET /reply HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    const bodies = (await client.responses('GET', 'GET')).map(({ body }) => body);
    assert.equal(bodies, ['abcabc', 'hihi']);
  });
});

stages('a refused upgrade has its response transformed', async () => {
  await between({ tap: onResponse(doubled), answer: () => ok('no') }, async ({ client }) => {
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n');
    assert.is((await client.response()).body, 'nono');
  });
});

stages('a reply to HEAD, and one without a body, do not announce a wrong length', async () => {
  const tap = (hooks: RequestHooks) =>
    hooks.request.tap('replier', ctx => {
      ctx.transformResponse(doubled);
      return reply(ctx.request.target === '/empty' ? 201 : 200, ctx.request.target === '/empty' ? '' : 'abc');
    });
  await between({ tap }, async ({ client }) => {
    client.send(`HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n${get}GET /empty HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    const [head, got, empty] = await client.responses('HEAD', 'GET', 'GET');
    assert.equal(head && valuesOf(head, 'content-length'), []);
    assert.equal([got?.framing, got?.body], ['chunked', 'abcabc']);
    assert.equal([empty?.framing, empty?.body, empty && statusOf(empty)], ['length', '', 201]);
  });
});
