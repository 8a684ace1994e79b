// Explained requests: what each plugin does and says, in order.
import * as assert from 'uvu/assert';
import { defineConfig } from '../../../core/config/config.ts';
import type { Explanation, Step } from '../../../core/explain/explanation.ts';
import { definePlugin, withId } from '../../../core/plugin/define-plugin.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { when } from '../../../core/plugin/when.ts';
import { reply } from '../../../core/request/reply.ts';
import { retry } from '../../../core/request/retry.ts';
import { FakeClock, settle, testConfig, workerSide } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('explain');

/** Chooses the first that is available. */
const first = definePlugin({
  name: 'first',
  role: 'balancer',
  worker: ({ hooks }) =>
    hooks.selectUpstream.tap('first', ({ pool, tried }) =>
      [...pool.available].sort((a, b) => (a.id < b.id ? -1 : 1)).find(one => !tried.includes(one)),
    ),
});

const marker = definePlugin({
  name: 'marker',
  worker({ hooks }) {
    hooks.request.tap('marker', ctx => {
      ctx.outgoing.headers.set('X-Mark', 'new');
      ctx.outgoing.headers.delete('X-Old');
      ctx.outgoing.headers.set('Authorization', 'Bearer of-the-upstream');
      ctx.timeouts.response = 1_000;
      ctx.note('marked');
      return undefined;
    });
    hooks.preProxy.tap('marker', ctx => {
      ctx.outgoing.target = '/rewritten';
      return undefined;
    });
    hooks.respond.tap('marker', ctx => void ctx.response?.headers.set('X-Seen', '1'));
  },
});

const toApi: Plugin = {
  name: 'to-api',
  worker({ hooks, pools, route }) {
    const api = route('the-api', pools.ensure('api'));
    const gone = route('gone', () => reply(410, 'gone'));
    hooks.route.tap('to-api', ({ request: { target } }) => {
      if (target.startsWith('/gone')) return gone;
      return target.startsWith('/api') ? api : undefined;
    });
  },
};

const answering = (status: number): Plugin => ({
  name: 'answering',
  worker: ({ hooks }) => hooks.request.tap('answering', () => reply(status, 'no', { 'Set-Cookie': 'a=b' })),
});

/** Each step in short. */
const brief = ({ steps }: Explanation): string[] =>
  steps.map(({ stage, plugin, word, server, pool, route, status }) =>
    [stage, plugin, word, route, pool, server, status].filter(part => part !== undefined).join(' '),
  );

const stepOf = (explanation: Explanation, plugin: string, stage: Step['stage']): Step => {
  const step = explanation.steps.find(one => one.plugin === plugin && one.stage === stage);
  assert.ok(step, `${plugin} said nothing in ${stage}`);
  return step;
};

const config = defineConfig({
  listen: ':80',
  servers: ['http://d:1'],
  pools: {
    api: { servers: ['http://a:1', 'http://b:1'], fallback: 'spare', plugins: [withId('inner', first())] },
    spare: ['http://s:1'],
  },
  plugins: [marker(), when({ path: '/admin/*' }, answering(403)), toApi, first()],
});

test('lists what each plugin did, in order', async () => {
  const app = await testConfig(config);
  const explanation = await app.explain({ target: '/api/x', headers: { 'X-Old': 'was' } });
  assert.equal(brief(explanation), [
    'request marker passed',
    'request when:/admin/*/answering skipped'.replace('when:/admin/*', nameOfWhen(explanation)),
    'route to-api routed the-api api',
    'selectUpstream pool:api/first#inner chose http://a:1',
    'preProxy marker passed',
    'forward weldr sends http://a:1',
    'respond marker passed',
  ]);
  assert.equal(
    [explanation.route, explanation.pool, explanation.server, explanation.response.status],
    ['the-api', 'api', 'http://a:1', 200],
  );
  await app.close();
});

const nameOfWhen = ({ steps }: Explanation): string =>
  steps.find(({ plugin }) => plugin.startsWith('when:'))?.plugin.replace(/\/answering$/, '') ?? '';

test('shows what each plugin edits, from what and to what, and hides credentials', async () => {
  const app = await testConfig(config);
  const explanation = await app.explain({
    headers: { 'X-Old': 'was', Authorization: 'Bearer of-the-client' },
  });
  assert.equal(stepOf(explanation, 'marker', 'request'), {
    stage: 'request',
    plugin: 'marker',
    ms: 0,
    word: 'passed',
    edits: [
      { of: 'request', field: 'header Authorization', before: '(hidden)', after: '(hidden)' },
      { of: 'request', field: 'header X-Mark', before: undefined, after: 'new' },
      { of: 'request', field: 'timeout response', before: undefined, after: '1000 ms' },
      { of: 'request', field: 'header X-Old', before: 'was', after: undefined },
    ],
    notes: ['marked'],
  });
  assert.equal(stepOf(explanation, 'marker', 'preProxy').edits, [
    { of: 'request', field: 'target', before: '/', after: '/rewritten' },
  ]);
  assert.equal(stepOf(explanation, 'marker', 'respond').edits, [
    { of: 'response', field: 'header X-Seen', before: undefined, after: '1' },
  ]);
  const [sent] = explanation.sends;
  assert.equal([sent?.target, sent?.host], ['/rewritten', 'example.com']);
  assert.equal(sent?.headers, [
    ['Authorization', '(hidden)'],
    ['X-Mark', 'new'],
  ]);
  assert.equal(explanation.response.headers, [['X-Seen', '1']]);
  assert.not.match(JSON.stringify(explanation), 'of-the-');
  await app.close();
});

test('names the plugin or route that replied, and ends there', async () => {
  const app = await testConfig(config);
  const refused = await app.explain({ target: '/admin/x' });
  assert.equal(brief(refused).slice(1), [
    `request ${nameOfWhen(refused)}/answering replied 403`,
    'respond marker passed',
  ]);
  const { status, by, plugin, headers } = refused.response;
  assert.equal(
    [status, by, plugin?.endsWith('/answering'), headers[0]],
    [403, 'plugin', true, ['Set-Cookie', '(hidden)']],
  );
  const gone = await app.explain({ target: '/gone' });
  assert.equal(brief(gone).slice(2), [
    'route to-api routed gone',
    'route to-api replied gone 410',
    'respond marker passed',
  ]);
  await app.close();
});

test('says why servers could not be chosen, and which fallback was tried', async () => {
  const picky: Plugin = {
    name: 'picky',
    worker: ({ hooks }) => hooks.eligible.tap('picky', (_, { id }) => id !== 'http://e:1'),
  };
  const side = await workerSide([picky, first()], {
    upstreams: {
      default: [
        { url: 'http://a:1', state: 'down', reason: 'connection refused' },
        { url: 'http://b:1', state: 'draining', reason: '' },
        { url: 'http://e:1' },
        { url: 'http://f:1', backup: true },
      ],
      spare: [{ url: 'http://s:1' }],
    },
    fallbacks: { default: 'spare' },
  });
  const explanation = await side.explain();
  assert.equal(brief(explanation), [
    'selectUpstream first chose http://e:1',
    'eligible picky refused http://e:1',
    'selectUpstream first chose http://e:1',
    'eligible picky refused http://e:1',
    'selectUpstream first chose http://e:1',
    'eligible picky refused http://e:1',
    'selectUpstream first chose http://e:1',
    'eligible picky refused http://e:1',
    'eligible picky refused http://e:1',
    'selectUpstream weldr chose http://f:1',
    'forward weldr sends http://f:1',
  ]);
  const [choice] = explanation.steps;
  assert.equal(
    choice?.servers?.map(({ server, chosen, why }) => [server, chosen, why]),
    [
      ['http://e:1', true, 'not eligible, according to picky'],
      ['http://a:1', false, 'down: connection refused'],
      ['http://b:1', false, 'draining'],
      ['http://f:1', false, 'a backup while others are available'],
    ],
  );
  side.pools.get('default')?.delete('http://e:1');
  side.pools.get('default')?.delete('http://f:1');
  const fallback = await side.explain();
  assert.equal(brief(fallback), [
    'selectUpstream first passed',
    'selectUpstream weldr none default',
    'route weldr entered spare',
    'selectUpstream first chose http://s:1',
    'forward weldr sends http://s:1',
  ]);
  assert.is(fallback.steps[2]?.why, 'the fallback of pool default');
  assert.equal(
    fallback.steps[1]?.servers?.map(({ why }) => why),
    ['down: connection refused', 'draining'],
  );
  side.pools.get('spare')?.delete('http://s:1');
  const { response, steps } = await side.explain();
  assert.equal([response.status, response.by, response.code], [503, 'weldr', 'NO_UPSTREAM']);
  assert.match(response.why ?? '', 'no upstream of pool spare is available');
  assert.equal([steps.at(-1)?.word, steps.at(-1)?.plugin], ['failed', 'weldr']);
  await side.close();
});

test('names the plugin that is not asked, because another with its role is further in', async () => {
  const side = await workerSide([first(), when({ header: { 'X-In': '1' } }, withId('inner', first()))], {
    upstreams: [{ url: 'http://a:1' }],
  });
  const reasons = ({ steps }: Explanation) =>
    steps.map(({ plugin, word, why }) => [plugin.split('/').at(-1), word, why]);
  assert.equal(reasons(await side.explain({ headers: { 'X-In': '1' } })).slice(0, 2), [
    ['first', 'skipped', 'a plugin of its role further in takes its place'],
    ['first#inner', 'chose', undefined],
  ]);
  assert.equal(reasons(await side.explain()).slice(0, 1), [['first', 'chose', undefined]]);
  await side.close();
});

test('assumes the responses of servers, so retries are explained', async () => {
  const again: Plugin = {
    name: 'again',
    worker: ({ hooks }) =>
      hooks.judge.tap('again', ctx =>
        ctx.error !== undefined ? retry : ctx.status === 503 ? retry({ pool: 'spare' }) : undefined,
      ),
  };
  const side = await workerSide([again, first()], {
    upstreams: { default: [{ url: 'http://a:1' }, { url: 'http://b:1' }], spare: [{ url: 'http://s:1' }] },
  });
  side.hooks.respond.tap('looks', () => {});
  const failing = await side.explain({ answer: 'CONNECT_FAILED' });
  assert.equal(brief(failing).slice(0, 5), [
    'selectUpstream first chose http://a:1',
    'forward weldr sends http://a:1',
    'judge again retries',
    'selectUpstream first chose http://b:1',
    'forward weldr sends http://b:1',
  ]);
  assert.equal(brief(failing).slice(-2), ['forward weldr failed 502', 'respond test passed']);
  assert.is(failing.steps[1]?.why, 'not sent; as if the answer was CONNECT_FAILED');
  assert.equal([failing.response.status, failing.response.code], [502, 'CONNECT_FAILED']);
  const elsewhere = await side.explain({ answer: 503 });
  assert.equal(brief(elsewhere).slice(2, 6), [
    'judge again retries spare',
    'route weldr entered spare',
    'selectUpstream first chose http://s:1',
    'forward weldr sends http://s:1',
  ]);
  assert.is(elsewhere.sends.at(1)?.server, 'http://s:1');
  await side.close();
});

test('names the plugin that throws, and what it threw', async () => {
  const broken: Plugin = {
    name: 'broken',
    worker: ({ hooks }) => hooks.request.tapPromise('broken', async () => Promise.reject(new Error('oh no'))),
  };
  const side = await workerSide([broken], { upstreams: [{ url: 'http://a:1' }] });
  const { steps, response } = await side.explain();
  assert.equal(
    steps.map(({ plugin, word }) => `${plugin} ${word}`),
    ['broken failed'],
  );
  assert.match(steps[0]?.why ?? '', 'plugin broken in request: oh no');
  assert.equal([response.status, response.code], [500, 'PLUGIN_FAILED']);
  await side.close();
});

test('abandons a plugin that hangs, and names it; its later result is ignored', async () => {
  const clock = new FakeClock();
  let answer = (): void => {};
  const hanging: Plugin = {
    name: 'hanging',
    worker: ({ hooks }) =>
      hooks.request.tapAsync('hanging', (_, done) => {
        answer = () => done(null);
      }),
  };
  const side = await workerSide([hanging], { upstreams: [{ url: 'http://a:1' }], clock });
  const explained = side.explain();
  await settle();
  clock.advance(5_000);
  const { steps, response, ms } = await explained;
  answer();
  assert.equal([response.status, response.code, ms], [500, 'PLUGIN_FAILED', 5_000]);
  assert.equal(
    steps.map(({ plugin, word }) => `${plugin} ${word}`),
    ['hanging failed'],
  );
  assert.match(response.why ?? '', 'plugin hanging in request: took over 5000 ms');
  await side.close();
});

test('waits for asynchronous plugins, and shows how long they took', async () => {
  const clock = new FakeClock();
  const slow: Plugin = {
    name: 'slow',
    worker({ hooks }) {
      hooks.request.tapPromise('slow', async () => {
        clock.advance(20);
        return undefined;
      });
      hooks.preProxy.tapAsync('slow', (_, done) => {
        clock.advance(7);
        done(null, reply(302, '', { Location: '/there' }));
      });
    },
  };
  const side = await workerSide([slow, first()], { upstreams: [{ url: 'http://a:1' }], clock });
  const { steps, response } = await side.explain();
  assert.equal(
    steps.map(({ stage, word, ms }) => [stage, word, ms]),
    [
      ['request', 'passed', 20],
      ['selectUpstream', 'chose', 0],
      ['preProxy', 'replied', 7],
    ],
  );
  assert.equal([response.status, response.headers], [302, [['Location', '/there']]]);
  await side.close();
});

test('leaves requests in flight, and stages of other requests, as they are', async () => {
  const side = await workerSide([first()], { upstreams: [{ url: 'http://a:1' }] });
  const seen: number[] = [];
  side.hooks.preProxy.tap('looks', ctx => {
    seen.push(ctx.upstream?.inFlight ?? -1);
    return undefined;
  });
  await side.explain();
  await side.run();
  assert.equal(seen, [0, 1]);
  assert.is(side.pools.get('default')?.get('http://a:1')?.inFlight, 0);
  const { selectUpstream } = side.stages.plain;
  assert.equal(
    selectUpstream.taps.map(({ name }) => name),
    ['first'],
  );
  await side.close();
});

test('is bounded in servers and characters', async () => {
  const upstreams = Array.from({ length: 70 }, (_, n) => ({ url: `http://s${n}:1` }));
  const side = await workerSide([marker(), first()], { upstreams });
  const explanation = await side.explain({ headers: { 'X-Old': 'o'.repeat(5_000) } });
  const choice = stepOf(explanation, 'first', 'selectUpstream');
  assert.equal([choice.servers?.length, choice.moreServers], [50, 20]);
  const edit = stepOf(explanation, 'marker', 'request').edits?.find(({ field }) => field === 'header X-Old');
  assert.is(edit?.before?.length, 501);
  await side.close();
});
