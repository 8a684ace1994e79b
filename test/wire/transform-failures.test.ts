// Body transforms that fail each time, are made wrongly, or stand in a long chain: what their request costs, and that
// nothing of it reaches another one.
import { type Duplex, PassThrough, Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import * as assert from 'uvu/assert';
import type { BodyTransform } from '../../core/request/context.ts';
import { reply } from '../../core/request/reply.ts';
import { retry } from '../../core/request/retry.ts';
import type { SettingsInput } from '../../core/settings/settings.ts';
import type { RequestHooks } from '../../core/stages/request-hooks.ts';
import { suite } from '../support/suite.ts';
import { startProxy, type TestProxy, until } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, ok, type Script, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';

interface Ends {
  readonly client: RawClient;
  readonly origin: ScriptedOrigin;
  readonly proxy: TestProxy;
}

interface Setup extends Script {
  readonly tap: (hooks: RequestHooks) => void;
  readonly settings?: SettingsInput;
}

/** Runs `use` between a client and an origin, and checks that each request has ended, with nothing in flight. */
async function between(setup: Setup, use: (ends: Ends) => Promise<void>): Promise<void> {
  const { tap, settings = { timeouts: { stage: '300ms' } }, ...script } = setup;
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url], tap, settings });
  const client = await RawClient.open(proxy.port);
  try {
    await use({ client, origin, proxy });
    client.close();
    await until('the upstream to be free', () => [...proxy.pools.default].every(u => u.inFlight === 0));
    await until('the connections to be over', () => proxy.listener.connections === 0);
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
}

const onRequest =
  (...all: BodyTransform[]) =>
  (hooks: RequestHooks) =>
    hooks.request.tap('transformer', ctx => {
      for (const make of all) ctx.transformRequest(make);
      return undefined;
    });
const onResponse =
  (...all: BodyTransform[]) =>
  (hooks: RequestHooks) =>
    hooks.postProxy.tap('transformer', ctx => {
      if (ctx.request.target === '/') for (const make of all) ctx.transformResponse(make);
      return undefined;
    });

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const other = 'GET /other HTTP/1.1\r\nHost: a.test\r\n\r\n';
const post = (body: string): string =>
  `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const chunkedPost =
  'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n';

const pass = (): Transform => new PassThrough();
const fails = (): Transform => new Transform({ transform: (_, __, done) => done(new Error('on purpose')) });
const throws = (): never => {
  throw new Error('on purpose');
};

/** Half of a response, of which the rest never comes. */
const half: Script['answer'] = ({ connection, target }) => {
  if (target === '/other') return ok('other');
  connection.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
  return undefined;
};

const each = suite('a transform that fails each time');

/** None of them lets anything through, for whatever body. */
const hopeless: readonly (readonly [how: string, make: BodyTransform])[] = [
  ['gunzip of what is not compressed', () => createGunzip()],
  ['one that fails', fails],
  ['one that throws', () => new Transform({ transform: throws })],
  ['one that is destroyed', () => new PassThrough().destroy()],
  ['one that never goes on', () => new Transform({ transform() {} })],
  ['one whose factory throws', throws],
];

for (const [how, make] of hopeless) {
  each(`${how}: a response is one 500, one log line, and the connection goes on`, async () => {
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

  each(`${how}: a reply is one 500`, async () => {
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

  each(`${how}: a request is one 500, whose body passes the response's transforms once`, async () => {
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

each('cuts the connection of an HTTP/1.0 client so that the part is not taken for the whole', async () => {
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

each('is as good as a body that was cut by its upstream, for an HTTP/1.0 client too', async () => {
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
    `of a ${where} which is asynchronous fails its request, and its rejection ends nothing`,
    async () => {
      for (const settle of [async () => throws(), async () => new PassThrough()]) {
        const make = settle as unknown as BodyTransform;
        await between({ tap: on(make) }, async ({ client, proxy }) => {
          client.send(request);
          assert.is(statusOf(await client.response()), 500);
          const line = proxy.log.find(({ stage }) => stage === 'transform');
          assert.match(String(line?.msg), 'a body transform is a promise, which is not waited for');
        });
      }
    },
  );

  factories(`of a ${where} which throws leaves none of the streams before it open`, async () => {
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
    `of a ${where} which makes one stream for two requests fails the second, and mixes nothing`,
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

  factories(`of a ${where} which makes one stream for two places of a chain fails its request`, async () => {
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

const chains = suite('a chain of transforms');

chains('is destroyed whole when the client leaves', async () => {
  const made: Duplex[] = [];
  const kept: BodyTransform = () => {
    const stream = new PassThrough();
    made.push(stream);
    return stream;
  };
  await between({ tap: onResponse(kept, kept, kept), answer: half }, async ({ client }) => {
    client.send(get);
    await client.until('the beginning', () => client.text.includes('abc'));
    client.reset();
    await until('all to be destroyed', () => made.length === 3 && made.every(({ destroyed }) => destroyed));
  });
  made.length = 0;
  await between({ tap: onRequest(kept, kept, kept) }, async ({ client }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc');
    await until('it to be made', () => made.length === 3);
    client.reset();
    await until('all to be destroyed', () => made.every(({ destroyed }) => destroyed));
  });
});

chains('lets trailers pass behind what it made of the body', async () => {
  await between({ tap: onRequest(pass) }, async ({ client, origin }) => {
    client.send(chunkedPost + chunkedPost);
    await client.responses('POST', 'POST');
    for (const { body, trailers } of origin.requests) assert.equal([body, trailers], ['abc', [['X-T', '1']]]);
  });
  const answer: Script['answer'] = () =>
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n';
  await between({ tap: onResponse(pass), answer }, async ({ client }) => {
    client.send(get + other);
    for (const { body, trailers } of await client.responses('GET', 'GET')) {
      assert.equal([body, trailers], ['abc', [['X-T', '1']]]);
    }
  });
});

chains('does not give the trailers of one request to the next', async () => {
  await between({ tap: onRequest(pass) }, async ({ client, origin }) => {
    client.send(chunkedPost + chunkedPost.replace('X-T: 1\r\n', ''));
    await client.responses('POST', 'POST');
    assert.equal(
      origin.requests.map(({ trailers }) => trailers.length),
      [1, 0],
    );
  });
});

chains('that makes much of little waits for a client that does not read', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x');
  const pieces = 300;
  let given = 0;
  /** Each byte becomes 64 KB, as in a compressed bomb; it stops when nobody takes them. */
  const bomb = (): Transform =>
    new Transform({
      transform(_chunk, _encoding, done) {
        const more = (): void => {
          while (given < pieces) {
            given++;
            if (!this.push(piece)) {
              setImmediate(waitForRoom);
              return;
            }
          }
          done();
        };
        const waitForRoom = (): void => {
          if (this.destroyed) return;
          if (this.readableLength >= this.readableHighWaterMark) setImmediate(waitForRoom);
          else more();
        };
        more();
      },
    });
  const settings = { timeouts: { stage: '30s' } };
  await between({ tap: onResponse(bomb, pass), answer: () => ok('abc'), settings }, async ({ client }) => {
    client.socket.pause();
    client.send(get);
    let before = -1;
    await client.until('the transform to be held back', () => {
      const isStill = given > 0 && given === before;
      before = given;
      return isStill;
    });
    assert.ok(given < pieces / 2, `${given} pieces`);
    client.socket.resume();
    await client.until('all of it', () => client.size > pieces * piece.length);
    assert.is((await client.response()).body.length, pieces * piece.length);
  });
});

for (const [where, others] of [
  ['alone', []],
  ['between others', [pass]],
] as const) {
  chains(`has each stream flush once, and sends what that adds, ${where}`, async () => {
    const calls: string[] = [];
    const adding: BodyTransform = () =>
      new Transform({
        transform: (chunk, _, done) => done(null, chunk),
        flush(done) {
          calls.push('flush');
          done(null, '!');
        },
        final(done) {
          calls.push('final');
          done();
        },
      });
    const flushing: BodyTransform = () =>
      new Transform({
        transform: (chunk, _, done) => done(null, chunk),
        flush(done) {
          calls.push('flush');
          done(null, '?');
        },
      });
    const all = [...others, adding, flushing, ...others];
    await between({ tap: onRequest(...all) }, async ({ client }) => {
      client.send(post('abc'));
      assert.match((await client.response('POST')).body, '|abc!?]');
    });
    await between({ tap: onResponse(...all), answer: () => ok('abc') }, async ({ client }) => {
      client.send(get);
      assert.is((await client.response()).body, 'abc!?');
    });
    assert.equal(calls, ['final', 'flush', 'flush', 'final', 'flush', 'flush']);
  });
}

const attempts = suite('transforms and attempts');

attempts('a new stream gets the original body when the attempt before failed within it', async () => {
  const made: Duplex[] = [];
  const upper: BodyTransform = () => {
    const stream = new Transform({
      transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()),
    });
    made.push(stream);
    return stream;
  };
  const tap = (hooks: RequestHooks) => {
    onRequest(upper)(hooks);
    hooks.judge.tap('again', ctx => (ctx.error === undefined ? undefined : retry));
  };
  const onBytes: Script['onBytes'] = connection => {
    if (connection.number === 0) connection.cut();
  };
  await between({ tap, onBytes }, async ({ client, origin, proxy }) => {
    client.send(post('abc'));
    assert.match((await client.response('POST')).body, '|ABC]');
    assert.equal([made.length, origin.connections.length], [2, 2]);
    for (const { body } of origin.requests) assert.is(body, 'ABC');
    assert.ok(made[0]?.destroyed);
    assert.is(proxy.finished[0]?.attempts.length, 2);
  });
});

attempts('a body that is not at hand any more is not sent twice', async () => {
  let made = 0;
  const tap = (hooks: RequestHooks) => {
    onRequest(() => {
      made++;
      return new PassThrough();
    })(hooks);
    hooks.judge.tap('again', ctx => (ctx.error === undefined ? undefined : retry));
  };
  const onBytes: Script['onBytes'] = connection => {
    if (connection.raw.includes('xxx')) connection.cut();
  };
  await between({ tap, onBytes }, async ({ client, proxy }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n');
    client.send('x'.repeat(50_000));
    assert.is(statusOf(await client.response('POST')), 502);
    assert.equal([made, proxy.finished[0]?.attempts.length], [1, 1]);
  });
});

attempts('a response that comes before the body is whole passes, and the connection closes', async () => {
  const onBytes: Script['onBytes'] = connection => {
    if (connection.raw.includes('xxx') && !connection.raw.includes('early')) {
      connection.raw += 'early';
      connection.send('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig');
    }
  };
  const made: Duplex[] = [];
  const kept: BodyTransform = () => {
    const stream = new PassThrough();
    made.push(stream);
    return stream;
  };
  await between({ tap: onRequest(kept), onBytes }, async ({ client }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nxxx');
    const early = await client.response('POST');
    assert.equal([statusOf(early), early.body], [413, 'big']);
    assert.equal(valuesOf(early, 'connection'), ['close']);
    await until('the transform to be destroyed', () => made[0]?.destroyed === true);
  });
});

attempts('a refused Expect: 100-continue makes no use of the transform', async () => {
  const onBytes: Script['onBytes'] = connection => {
    connection.send('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n');
  };
  await between({ tap: onRequest(pass), onBytes }, async ({ client }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n');
    assert.is(statusOf(await client.response('POST')), 417);
  });
});

attempts('a protocol switch passes both transforms by', async () => {
  let made = 0;
  const count: BodyTransform = () => {
    made++;
    return new PassThrough();
  };
  const tap = (hooks: RequestHooks) => {
    onRequest(count)(hooks);
    onResponse(count)(hooks);
  };
  const answer: Script['answer'] = () =>
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\nhello';
  await between({ tap, answer }, async ({ client, origin }) => {
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n');
    await client.until('the tunnel', () => client.text.endsWith('\r\n\r\nhello'));
    client.send('ping');
    await until('the other side', () => origin.connections[0]?.raw.endsWith('ping') === true);
    assert.is(made, 0);
    client.reset();
  });
});

const doubled: BodyTransform = () =>
  new Transform({ transform: (chunk, _, done) => done(null, `${chunk}${chunk}`) });

for (const stage of ['selectUpstream', 'preProxy'] as const) {
  attempts(`those that ${stage} asks for are its attempt's own, behind those of all attempts`, async () => {
    let answers = 0;
    const tap = (hooks: RequestHooks) => {
      onRequest(() => new Transform({ transform: (chunk, _, done) => done(null, `${chunk}-`) }))(hooks);
      hooks[stage].tap('again', ctx => {
        ctx.transformRequest(doubled);
        ctx.transformResponse(doubled);
        return undefined;
      });
      hooks.judge.tap('again', ctx => (ctx.status === 503 ? retry : undefined));
    };
    const answer: Script['answer'] = () =>
      answers++ < 2 ? 'HTTP/1.1 503 Try Again\r\nContent-Length: 2\r\n\r\nno' : ok('yes');
    await between({ tap, answer }, async ({ client, origin }) => {
      client.send(post('abc') + post('abc'));
      const [first, second] = await client.responses('POST', 'POST');
      assert.equal([first?.body, second?.body], ['yesyes', 'yesyes']);
      assert.equal(
        origin.requests.map(({ body }) => body),
        ['abc-abc-', 'abc-abc-', 'abc-abc-', 'abc-abc-'],
      );
    });
  });
}

attempts('those that judge asks for are not those of the attempt after it', async () => {
  let answers = 0;
  const tap = (hooks: RequestHooks) =>
    hooks.judge.tap('again', ctx => {
      ctx.transformResponse(doubled);
      return ctx.status === 503 ? retry : undefined;
    });
  const answer: Script['answer'] = () =>
    answers++ === 0 ? 'HTTP/1.1 503 Try Again\r\nContent-Length: 2\r\n\r\nno' : ok('yes');
  await between({ tap, answer }, async ({ client }) => {
    client.send(get);
    assert.is((await client.response()).body, 'yesyes');
  });
});

/** Gives what it got only when it is told to. */
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

const stages = suite('transforms beside stages');

for (const [when, onBytes] of [
  ['the response came early', (connection => connection.send(ok('early'))) satisfies Script['onBytes']],
  ['the attempt failed', (connection => connection.cut()) satisfies Script['onBytes']],
] as const) {
  stages(
    `a request's transform that goes on after ${when} does not undo the timeout of a stage`,
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

stages('a transform of the request that goes on does not undo the time of one of the response', async () => {
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

stages('a transform that fails after its attempt has does not keep another from being made', async () => {
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

stages('a request whose transform never ends is bounded when the response has begun, too', async () => {
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

stages('an asynchronous tap may ask for one, of a response in chunks, too', async () => {
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

stages('the last one, respond, may ask for one of any response', async () => {
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

stages('a reply to HEAD, and one without a body, announce no length that would be wrong', async () => {
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
