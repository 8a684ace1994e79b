// Chains of body transforms, and how they relate to attempts.
import { type Duplex, PassThrough, Transform } from 'node:stream';
import * as assert from 'uvu/assert';
import type { BodyTransform } from '../../core/request/body-transform.ts';
import { retry } from '../../core/request/retry.ts';
import type { RequestHooks } from '../../core/stages/request-hooks.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { ok, type Script } from './support/scripted-origin.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';
import {
  between,
  chunkedPost,
  doubled,
  get,
  half,
  onRequest,
  onResponse,
  other,
  pass,
  post,
} from './support/transforming.ts';

const chains = suite('a chain of transforms');

chains('is destroyed completely when the client leaves', async () => {
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

chains('passes trailers on after the transformed body', async () => {
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

chains('that expands its input waits for a client that does not read', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x');
  const pieces = 300;
  let given = 0;
  /** Turns each byte into 64 KB, as a decompression bomb does, and stops when they are not read. */
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
  chains(`flushes each stream once, and sends what that produces, ${where}`, async () => {
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

attempts('a new stream gets the original body when the previous attempt failed within it', async () => {
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

attempts('a body that is no longer available is not sent twice', async () => {
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

attempts('a response before the end of the body passes, and the connection closes', async () => {
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

attempts('a refused Expect: 100-continue does not use the transform', async () => {
  const onBytes: Script['onBytes'] = connection => {
    connection.send('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n');
  };
  await between({ tap: onRequest(pass), onBytes }, async ({ client }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n');
    assert.is(statusOf(await client.response('POST')), 417);
  });
});

attempts('a protocol switch bypasses both transforms', async () => {
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

for (const stage of ['selectUpstream', 'preProxy'] as const) {
  attempts(`transforms from ${stage} belong to its attempt, after those of all attempts`, async () => {
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

attempts('transforms from judge do not apply to the next attempt', async () => {
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
