// A plugin that returns or throws hostile values, over real sockets: the connection or the request ends, the log names
// plugin and stage, and the worker continues.
import * as assert from 'uvu/assert';
import type { Plugin } from '../../core/plugin/plugin.ts';
import { HeaderList } from '../../core/request/headers.ts';
import { Reply } from '../../core/request/reply.ts';
import { firstAvailable, settle, workerSide } from '../../core/testing.ts';
import { forged, opaque } from '../core/stages/foreign.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxyOf, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const served = '[GET / HTTP/1.1|]';

type Act = ((...args: unknown[]) => unknown) | undefined;

interface Spoiled {
  readonly proxy: TestProxy;
  /** What the spoiler does from now on; undefined for nothing. */
  act: Act;
  /** The errors that observing hooks have reported. */
  readonly reported: readonly Error[];
  /** How often a plugin after the spoiler was called. */
  readonly asked: number;
}

type Hook =
  | 'connection'
  | 'connectionFinished'
  | 'request'
  | 'route'
  | 'selectUpstream'
  | 'eligible'
  | 'preProxy'
  | 'judge'
  | 'postProxy'
  | 'respond'
  | 'attemptFinished'
  | 'finished';

/** A hook as the spoiler sees it, without the types that would stop it. */
interface LooseHook {
  tap(name: string, fn: (...args: unknown[]) => unknown): void;
}

async function withSpoiler(stage: Hook, use: (spoiled: Spoiled) => Promise<void>): Promise<void> {
  const origin = await ScriptedOrigin.start();
  let act: Act;
  let asked = 0;
  const tapping = (name: string, fn: (...args: unknown[]) => unknown): Plugin => ({
    name,
    worker: ({ hooks }) => (hooks[stage] as unknown as LooseHook).tap(name, fn),
  });
  const spoiler = tapping('spoiler', (...args) => act?.(...args));
  const behind = tapping('behind', () => {
    asked++;
  });
  const side = await workerSide([spoiler, behind, firstAvailable], { upstreams: [origin.url] });
  const proxy = await startProxyOf(side);
  try {
    await use({
      proxy,
      reported: side.reported,
      get act() {
        return act;
      },
      set act(to) {
        act = to;
      },
      get asked() {
        return asked;
      },
    });
    await until('the end of all connections', () => proxy.listener.connections === 0);
    for (const { inFlight } of side.pools.default) assert.is(inFlight, 0);
    await settle();
  } finally {
    proxy.close();
    await origin.close();
  }
}

/** Sends a request on a separate connection; resolves with everything received. */
async function ask(port: number): Promise<string> {
  const client = await RawClient.open(port);
  client.send(get);
  client.finish();
  const text = await client.untilEnd();
  client.close();
  return text;
}

const acts: (readonly [name: string, act: NonNullable<Act>])[] = [];
for (const [name, make] of [...opaque, ...forged]) {
  acts.push([`returns ${name}`, make]);
  acts.push([
    `throws ${name}`,
    () => {
      throw make();
    },
  ]);
}

const connections = suite('a plugin that spoils a connection');

connections('in connection closes only that connection, silently', async () => {
  await withSpoiler('connection', async spoiled => {
    const { proxy, reported } = spoiled;
    for (const [what, act] of [...acts, ['a promise', async () => 'refuse'] as const]) {
      spoiled.act = act;
      const before = reported.length;
      assert.is(await ask(proxy.port), '', what);
      assert.match(reported[before]?.message ?? '', 'plugin spoiler in connection: ', what);
      spoiled.act = undefined;
      assert.match(await ask(proxy.port), served, what);
    }
  });
});

connections('in connectionFinished does not keep other plugins from seeing its end', async () => {
  await withSpoiler('connectionFinished', async spoiled => {
    const { proxy, reported } = spoiled;
    for (const [what, act] of acts) {
      if (what.includes('in the background')) continue;
      spoiled.act = act;
      const { length } = reported;
      const { asked } = spoiled;
      assert.match(await ask(proxy.port), served, what);
      await until('the end', () => spoiled.asked === asked + 1);
      if (what.startsWith('throws')) {
        assert.match(reported[length]?.message ?? '', 'plugin spoiler in connectionFinished: ', what);
      }
    }
  });
});

connections('cannot change its facts', async () => {
  for (const stage of ['connection', 'connectionFinished'] as const) {
    await withSpoiler(stage, async spoiled => {
      const seen: unknown[] = [];
      spoiled.act = info => {
        if (typeof info !== 'object' || info === null) return undefined;
        const before = JSON.stringify(info);
        for (const key of [...Object.keys(info), 'odd']) {
          Reflect.set(info, key, null);
          Reflect.defineProperty(info, key, { value: null });
          Reflect.deleteProperty(info, key);
        }
        seen.push(before === JSON.stringify(info));
        return undefined;
      };
      assert.match(await ask(spoiled.proxy.port), served);
      await until('the end', () => seen.length === 1);
      assert.equal(seen, [true]);
    });
  }
});

const requests = suite('a plugin that spoils a request');

for (const stage of [
  'request',
  'route',
  'selectUpstream',
  'eligible',
  'preProxy',
  'judge',
  'postProxy',
  'respond',
] as const) {
  requests(`in ${stage} ends it with 500 and a log line, and the next request is served`, async () => {
    await withSpoiler(stage, async spoiled => {
      const { proxy } = spoiled;
      for (const [what, act] of acts) {
        spoiled.act = act;
        const before = proxy.log.length;
        assert.match(await ask(proxy.port), /^HTTP\/1\.1 500 /, what);
        const line = proxy.log.slice(before).find(({ level }) => level === 'error');
        assert.equal([line?.['plugin'], line?.['stage']], ['spoiler', stage], what);
        spoiled.act = undefined;
        assert.match(await ask(proxy.port), served, what);
      }
    });
  });
}

for (const stage of ['attemptFinished', 'finished'] as const) {
  requests(`in ${stage} harms neither that request nor the next one`, async () => {
    await withSpoiler(stage, async spoiled => {
      for (const [what, act] of acts) {
        if (what.includes('in the background')) continue;
        spoiled.act = act;
        const { asked } = spoiled;
        assert.match(await ask(spoiled.proxy.port), served, what);
        await until('the end', () => spoiled.asked === asked + 1);
      }
    });
  });
}

requests('by a reply whose body lies about its length, or changes later, breaks no framing', async () => {
  class Lying extends Uint8Array {
    override get length(): number {
      return 1_000;
    }
    override get byteLength(): number {
      return 1_000;
    }
  }
  await withSpoiler('request', async spoiled => {
    const bytes = new Lying([0x61, 0x62, 0x63]);
    const made = new Reply(200, new HeaderList(), bytes);
    spoiled.act = () => made;
    const client = await RawClient.open(spoiled.proxy.port);
    client.send(get);
    assert.equal((await client.response()).body, 'abc');
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    client.send(get + get);
    const all = await client.responses('GET', 'GET', 'GET');
    assert.equal(
      all.map(message => [statusOf(message), message.body]),
      [
        [200, 'abc'],
        [200, 'abc'],
        [200, 'abc'],
      ],
    );
    assert.is(client.parse(['GET', 'GET', 'GET']).rest, '');
    client.close();
  });
});
