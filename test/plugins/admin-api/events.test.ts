// GET /events: a list, and a stream that resumes, reports gaps, buffers nothing for slow readers, and is bounded.
import * as assert from 'uvu/assert';
import { maxEvents } from '../../../core/events/event-log.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { type Api, at, withApi } from './api.ts';
import { type Followed, follow, type Message } from './event-client.ts';

const test = suite('admin-api events');

const servers = { default: ['http://10.0.0.1:1'], api: ['http://10.0.0.2:1', 'http://10.0.0.3:1'] };
const emit = ({ side }: Api, text: string, more: object = {}) =>
  side.events.add({ type: 'test.event', text, ...more });
const textsOf = (messages: readonly Message[]): unknown[] =>
  messages.filter(({ event }) => event === 'message').map(({ data }) => data['text']);
const textsIn = (body: unknown): unknown[] => {
  const events = at(body, 'events');
  if (!Array.isArray(events)) throw new Error('no events');
  return events.map(event => at(event, 'text'));
};

/** Runs `body` with an API and its streams, which are closed afterwards. */
async function withStreams(
  body: (
    api: Api,
    open: (path: string, headers?: Record<string, string>) => Promise<Followed>,
  ) => Promise<void>,
): Promise<void> {
  const streams: Followed[] = [];
  await withApi({ servers }, async api => {
    try {
      await body(api, async (path, headers) => {
        const stream = await follow(api.address, path, headers);
        streams.push(stream);
        return stream;
      });
    } finally {
      for (const stream of streams) stream.close();
    }
  });
}

test('lists the latest events, the oldest first, and where to continue', async () => {
  await withApi({ servers }, async api => {
    const { call } = api;
    const { body: nothing } = await call('GET', '/events');
    assert.equal([textsIn(nothing), at(nothing, 'first'), at(nothing, 'gap')], [[], null, false]);
    for (const text of ['a', 'b', 'c']) emit(api, text);
    const { body } = await call('GET', '/events?limit=2');
    assert.equal(
      [textsIn(body), at(body, 'last'), at(body, 'gap')],
      [['b', 'c'], api.side.events.last, false],
    );
    emit(api, 'd');
    const { body: next } = await call('GET', String(at(body, 'links.0.href')));
    assert.equal(textsIn(next), ['d']);
    const { body: page } = await call('GET', `/events?since=${at(nothing, 'last')}&limit=3`);
    assert.equal(textsIn(page), ['a', 'b', 'c']);
    const { body: rest } = await call('GET', String(at(page, 'links.0.href')));
    assert.equal([textsIn(rest), at(rest, 'gap')], [['d'], false]);
    const { body: old } = await call('GET', '/events?since=1');
    assert.equal([textsIn(old).length, at(old, 'gap')], [4, true]);
  });
});

test('filters by types, groups of types and a pool, and names what it cannot read', async () => {
  await withApi({ servers }, async ({ call, side }) => {
    side.events.add({ type: 'server.state', text: 'a', pool: 'api' });
    side.events.add({ type: 'server.left', text: 'b', pool: 'default' });
    side.events.add({ type: 'servers.odd', text: 'c', pool: 'api' });
    const list = async (query: string) => textsIn((await call('GET', `/events?${query}`)).body);
    assert.equal(await list('type=server'), ['a', 'b']);
    assert.equal(await list('type=server.*'), ['a', 'b']);
    assert.equal(await list('type=server.left,servers'), ['b', 'c']);
    assert.equal(await list('pool=api'), ['a', 'c']);
    for (const query of ['type=SERVER', 'limit=0', 'limit=9999', 'since=-1', 'since=abc']) {
      const { status, body } = await call('GET', `/events?${query}`);
      assert.equal([status, at(body, 'field')], [400, query.split('=')[0]]);
    }
    assert.is((await call('HEAD', '/events', undefined, { accept: 'text/event-stream' })).status, 200);
  });
});

test('an operator who is known by a token is named in the events of a call', async () => {
  const token = 'a-token-of-24-characters';
  await withApi({ servers, api: { token } }, async ({ call, side, address }) => {
    const headers = { authorization: `Bearer ${token}` };
    await call('PATCH', '/pools/api/servers/10.0.0.2/1', { state: 'draining' }, headers);
    const [event] = side.events.all;
    assert.equal(
      [event?.type, event?.to, event?.by],
      ['server.state', 'draining', '127.0.0.1 with the token'],
    );
    assert.is((await follow(address, '/events')).status, 401);
    assert.is((await call('GET', '/overview')).status, 401);
    const stream = await follow(address, '/events', headers);
    assert.is(stream.status, 200);
    stream.close();
    assert.not.match(JSON.stringify(side.events.all), new RegExp(token));
  });
});

test('streams each event as it happens, and only those requested', async () => {
  await withStreams(async (api, open) => {
    emit(api, 'before');
    const all = await open('/events');
    assert.is(all.headers['content-type'], 'text/event-stream');
    assert.is(all.headers['cache-control'], 'no-store');
    const some = await open('/events?type=server&limit=5');
    await some.message(({ event }) => event === 'hello');
    emit(api, 'one');
    api.side.pools.verdict('api', 'http://10.0.0.2:1', 'test', 'ill');
    const { id, data } = await some.message(({ event }) => event === 'message');
    assert.equal([data['type'], String(data['id'])], ['server.state', id]);
    await until('both are there', () => textsOf(all.messages).length === 2);
    assert.is(textsOf(all.messages)[0], 'one');
    assert.is(textsOf(some.messages).length, 1);
  });
});

test('a reader that returns gets the events in between, even if it had only a greeting', async () => {
  await withStreams(async (api, open) => {
    const first = await open('/events');
    const hello = await first.message(({ event }) => event === 'hello');
    first.close();
    for (const text of ['a', 'b']) emit(api, text);
    const second = await open('/events', { 'last-event-id': hello.id ?? '' });
    const b = await second.message(({ data }) => data['text'] === 'b');
    assert.equal(textsOf(second.messages), ['a', 'b']);
    second.close();
    emit(api, 'c');
    const third = await open(`/events?since=${hello.id}`, { 'last-event-id': b.id ?? '' });
    await third.message(({ data }) => data['text'] === 'c');
    assert.equal(textsOf(third.messages), ['c'], 'Last-Event-ID takes precedence over ?since');
    assert.not.ok(third.messages.some(({ event }) => event === 'gap'));
    const last = await open('/events?limit=2');
    await last.message(({ data }) => data['text'] === 'c');
    assert.equal(textsOf(last.messages), ['b', 'c']);
  });
});

test('reports a gap to a reader that returns too late, or from an unknown time', async () => {
  await withStreams(async (api, open) => {
    const from = api.side.events.last;
    for (let count = 0; count < maxEvents + 5; count++) emit(api, `e${count}`);
    const late = await open('/events', { 'last-event-id': String(from) });
    const gap = await late.message(({ event }) => event === 'gap');
    assert.equal(gap.data, { after: from, first: api.side.events.all[0]?.id });
    await late.message(({ data }) => data['text'] === `e${maxEvents + 4}`);
    assert.is(textsOf(late.messages).length, maxEvents);
    const future = await open('/events', { 'last-event-id': String(api.side.events.last + 1000) });
    await future.message(({ event }) => event === 'gap');
    emit(api, 'now');
    await future.message(({ data }) => data['text'] === 'now');
  });
});

test('buffers nothing for a reader that stops: it falls behind in the ring, and receives a gap', async () => {
  await withStreams(async (api, open) => {
    const slow = await open('/events?overview');
    const quick = await open('/events');
    await slow.message(({ event }) => event === 'overview');
    slow.pause();
    const long = 'x'.repeat(400);
    // Far more than sockets hold: 12 MB.
    for (let round = 0; round < 200; round++) {
      for (let count = 0; count < 100; count++) emit(api, `${round}-${count} ${long}`);
      const mark = `${round}-99 ${long}`;
      await quick.message(({ data }) => data['text'] === mark);
      if (round < 5) api.side.clock.advance(2000);
    }
    assert.is(textsOf(quick.messages).length, 20_000);
    slow.resume();
    await slow.message(({ data }) => data['text'] === `199-99 ${long}`);
    assert.ok(slow.messages.some(({ event }) => event === 'gap'));
    assert.ok(textsOf(slow.messages).length < 19_000);
    const ids = slow.messages.flatMap(({ id, event }) => (event === 'message' ? [Number(id)] : []));
    assert.ok(
      ids.every((id, index) => index === 0 || id > (ids[index - 1] ?? 0)),
      'in order',
    );
  });
});

test('cuts a reader that reads nothing for two heartbeats', async () => {
  await withStreams(async (api, open) => {
    const dead = await open('/events');
    await dead.message(({ event }) => event === 'hello');
    dead.pause();
    const long = 'x'.repeat(450);
    const turn = () => new Promise(resolve => setImmediate(resolve));
    // Far more than sockets hold: 15 MB.
    for (let round = 0; round < 300; round++) {
      for (let count = 0; count < 100; count++) emit(api, `${round}-${count} ${long}`);
      for (let turns = 0; turns < 5; turns++) await turn();
    }
    api.side.clock.advance(30_000);
    dead.resume();
    await until('its stream ends', () => dead.ended);
    assert.not.ok(dead.messages.some(({ data }) => data['id'] === api.side.events.last));
  });
});

test('sends a heartbeat', async () => {
  await withStreams(async (api, open) => {
    const stream = await open('/events');
    await stream.message(({ event }) => event === 'hello');
    api.side.clock.advance(15_000);
    await until('a comment comes', () => /^: /m.test(stream.text));
  });
});

test('has at most 32 streams, which leave room for calls', async () => {
  await withStreams(async ({ call }, open) => {
    const streams = await Promise.all(Array.from({ length: 32 }, () => open('/events')));
    assert.ok(streams.every(({ status }) => status === 200));
    assert.is((await open('/events')).status, 503);
    assert.is((await call('GET', '/events')).status, 200);
    streams[0]?.close();
    await until('there is room again', async () => (await open('/events')).status === 200);
  });
});

test('streams end with the server, and do not delay its end', async () => {
  let stream: Followed | undefined;
  await withApi({ servers }, async ({ address }) => {
    stream = await follow(address, '/events?overview&servers=api');
    await stream.message(({ event }) => event === 'servers');
  });
  await until('it ends', () => stream?.ended === true);
});

test('sends overviews and the figures of a pool’s servers, the first at once', async () => {
  await withStreams(async (api, open) => {
    const stream = await open('/events?overview&servers=api');
    const { data } = await stream.message(({ event }) => event === 'overview');
    assert.equal([data['status'], data['history']], ['ok', undefined]);
    const { data: ofServers } = await stream.message(({ event }) => event === 'servers');
    assert.equal([ofServers['pool'], at(ofServers, 'servers.1.id')], ['api', 'http://10.0.0.3:1']);
    api.side.pools.verdict('api', 'http://10.0.0.2:1', 'test', 'ill');
    api.side.clock.advance(2000);
    await stream.message(({ event, data }) => event === 'overview' && data['status'] === 'warning');
    assert.is((await open('/events?servers=nosuch')).status, 404);
  });
});

test('sends the servers of all pools at first, then in each step those that have changed', async () => {
  await withStreams(async (api, open) => {
    const { pools, clock } = api.side;
    const next = async (stream: Followed, from: number) => {
      const { data } = await stream.message(
        ({ event, data: { at: time } }) => event === 'servers' && Number(time) > from,
      );
      const list = at(data, 'servers') as { pool: string; id: string; state: string }[];
      const states = list.map(({ pool, id, state }) => `${pool} ${new URL(id).hostname} ${state}`);
      return { at: Number(data['at']), whole: data['whole'], states, gone: data['gone'] };
    };
    const stream = await open('/events?servers=*');
    const first = await next(stream, 0);
    const all = ['default 10.0.0.1 active', 'api 10.0.0.2 active', 'api 10.0.0.3 active'];
    assert.equal([first.whole, first.states], [true, all]);
    clock.advance(2000);
    const quiet = await next(stream, first.at);
    assert.equal([quiet.whole, quiet.states], [false, []]);
    pools.verdict('api', 'http://10.0.0.2:1', 'test', 'ill');
    await pools.remove('default', 'http://10.0.0.1:1');
    clock.advance(2000);
    const changed = await next(stream, quiet.at);
    assert.equal([changed.whole, changed.states], [false, ['api 10.0.0.2 down']]);
    assert.equal(changed.gone, [{ pool: 'default', id: 'http://10.0.0.1:1' }]);
    const late = await next(await open('/events?servers=*'), 0);
    assert.equal([late.whole, late.states.length], [true, 2]);
  });
});
