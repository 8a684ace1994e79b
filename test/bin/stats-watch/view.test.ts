// `weldr stats --watch` on a real terminal, with a real Weldr that comes and goes.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { startWeldr, type TestWeldr } from '../../support/weldr.ts';
import { TestTerminal } from './terminal.ts';

const test = suite('stats --watch on a terminal', { timeoutMs: 240_000 });

const config = (adminPort: number, servers: readonly string[]) => `
import { defineConfig } from 'weldr';
import { adminApi, roundRobin, stats } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0', workers: 1, servers: ${JSON.stringify(servers)},
  plugins: [roundRobin(), stats(), adminApi({ listen: '127.0.0.1:${adminPort}' })],
});`;

let origins: Origin[];
let weldr: TestWeldr;
let text: string;

test.before(async () => {
  origins = [await startOrigin({ name: 'a' }), await startOrigin({ name: 'b' })];
  text = config(
    await freePort(),
    origins.map(({ url }) => url),
  );
  weldr = await startWeldr({ config: text });
});
test.after(async () => {
  await weldr.stop();
  for (const origin of origins) await origin.close();
});

/** Runs the view during `use`. */
async function watching(
  use: (terminal: TestTerminal) => Promise<void>,
  {
    args = [],
    url = weldr.adminUrl,
    env = {},
    ...size
  }: {
    args?: readonly string[];
    url?: string;
    env?: NodeJS.ProcessEnv;
    columns?: number;
    rows?: number;
  } = {},
): Promise<void> {
  const terminal = new TestTerminal(['stats', '--watch', '--interval', '0.2', ...args], {
    env: { WELDR_ADMIN: url, ...env },
    ...size,
  });
  try {
    await use(terminal);
  } finally {
    await terminal.end();
  }
}

/** Sends requests during `use`. */
async function underLoad(use: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const requests = (async () => {
    while (!stop.signal.aborted) {
      await fetch(weldr.url).then(
        answer => answer.arrayBuffer(),
        () => {},
      );
      await sleep(5);
    }
  })();
  try {
    await use();
  } finally {
    stop.abort();
    await requests;
  }
}

/** Checks that the terminal is as it was before the view. */
async function assertGivenBack(terminal: TestTerminal, code: number | string): Promise<void> {
  const { screen } = terminal;
  assert.equal(await terminal.ended, { code, modes: { echo: true, lines: true } });
  assert.equal(
    { isAlternate: screen.isAlternate, hasCursor: screen.hasCursor, wraps: screen.wraps },
    { isAlternate: false, hasCursor: true, wraps: true },
  );
  assert.is(terminal.text.trim(), '');
  assert.is(terminal.stderr, '');
}

test('shows current figures, in place and on a separate screen', async () => {
  await underLoad(() =>
    watching(async terminal => {
      await terminal.shows(/^clients \d+(\.\d)?\/s {2}0\/s failed/m);
      await terminal.shows(/^requests +[1-9][\d.]*\/s {2,} *[▁▂▃▄▅▆▇█]/m);
      await terminal.shows(/^p99 +[<\d.]+ ms/m);
      await terminal.shows(/^nothing is wrong$/m);
      for (const { url } of origins) {
        await terminal.shows(new RegExp(`^${url} +active +[\\d.]+ +0 +\\d+ +[<\\d.]+ +[<\\d.]+ +0$`, 'm'));
      }
      const { screen } = terminal;
      assert.equal(
        [screen.isAlternate, screen.hasCursor, screen.unknown, screen.overflows],
        [true, false, [], 0],
      );
    }),
  );
});

test('survives a restart of Weldr, reports it, and keeps the last figures meanwhile', async () => {
  await underLoad(() =>
    watching(async terminal => {
      await terminal.shows(/^clients [\d.]+\/s/m);
      await weldr.stop({ keep: true });
      await terminal.shows(/cannot reach http:\/\/127\.0\.0\.1:\d+, trying again/);
      await terminal.shows(/^weldr stats {2}[1-9]\d* s old/m);
      assert.match(terminal.text, origins[0]?.url ?? '');
      weldr = await startWeldr({ config: text, folder: weldr.folder });
      await terminal.shows(/^weldr stats {2}\d\d:\d\d:\d\d/m);
      await terminal.shows(/^clients [\d.]+\/s/m);
      assert.not.match(terminal.text, 'cannot reach');
      assert.not.match(terminal.written, /[ m]-\d/);
      terminal.type('q');
      await assertGivenBack(terminal, 0);
    }),
  );
});

test('a first look that fails is an error, and leaves the terminal alone', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  await watching(
    async terminal => {
      assert.is((await terminal.ended).code, 69);
      assert.match(terminal.stderr, `weldr: no admin API answers at ${url}`);
      assert.is(terminal.written, '');
    },
    { url },
  );
});

test('a first look that is refused is an error, in the words of the API', async () => {
  await withApi(
    () => 'this needs a token',
    url =>
      watching(
        async terminal => {
          assert.is((await terminal.ended).code, 1);
          assert.is(terminal.stderr, 'weldr: this needs a token\n');
          assert.is(terminal.written, '');
        },
        { url },
      ),
  );
});

test('follows the size of the terminal', async () => {
  await watching(
    async terminal => {
      await terminal.shows(/^SERVER +STATE +REQ\/S +FAIL\/S$/m);
      terminal.resize(120, 10);
      await terminal.shows(/^SERVER .*P99 MS +SUCCESS +FAILED$/m);
      await until('the last line is at the bottom', () => terminal.screen.text[9] === 'q: quit  s: sort');
      terminal.resize(60, 4);
      await terminal.shows(/^SERVER .*FAIL\/S/);
      await terminal.shows(/^q: quit/m);
      assert.is(terminal.screen.text.length, 4);
      terminal.resize(60, 3);
      await terminal.shows(/^and 1 more server {2}q: quit/m);
    },
    { columns: 40 },
  );
});

test('sorts by the flag and by a key', async () => {
  const [first = '', second = ''] = origins.map(({ url }) => url).sort();
  await watching(
    async terminal => {
      await terminal.shows(new RegExp(`${first}[\\s\\S]*${second}[\\s\\S]*^by id `, 'm'));
      terminal.type('ss');
      await terminal.shows(/^by rate/m);
    },
    { args: ['--sort', 'id'] },
  );
});

for (const [what, end, code] of [
  ['q', terminal => terminal.type('q'), 0],
  ['Ctrl-C', terminal => terminal.type('\x03'), 'SIGINT'],
  ['SIGINT', terminal => terminal.signal('SIGINT'), 'SIGINT'],
  ['SIGTERM', terminal => terminal.signal('SIGTERM'), 'SIGTERM'],
] satisfies [string, (terminal: TestTerminal) => void, number | string][]) {
  test(`restores the terminal at ${what}`, async () => {
    await watching(async terminal => {
      await terminal.shows(/^q: quit/m);
      end(terminal);
      await assertGivenBack(terminal, code);
    });
  });
}

test('ends while an answer is awaited', async () => {
  let calls = 0;
  await withApi(
    () => (++calls > 3 ? undefined : []),
    url =>
      watching(
        async terminal => {
          await terminal.shows(/no answer from \S+ for \d s/);
          terminal.type('q');
          await assertGivenBack(terminal, 0);
        },
        { url },
      ),
  );
});

test('continues after Ctrl-Z if no shell could continue it', async () => {
  await watching(async terminal => {
    await terminal.shows(/^q: quit/m);
    terminal.type('\x1a');
    await until('it left and came back', () => terminal.written.split('\x1b[?1049h').length === 3);
    await terminal.shows(/^q: quit/m);
    terminal.type('q');
    await assertGivenBack(terminal, 0);
  });
});

test('ends quietly when the terminal goes away', async () => {
  await watching(async terminal => {
    await terminal.shows(/^q: quit/m);
    terminal.hangUp();
    const { code } = await terminal.ended;
    assert.ok(code === 'SIGHUP' || code === 0, String(code));
    assert.is(terminal.stderr, '');
  });
});

test('has colours, and none with NO_COLOR', async () => {
  await watching(async terminal => {
    await terminal.shows(/active/);
    assert.ok(terminal.screen.styled > 0);
  });
  await watching(
    async terminal => {
      await terminal.shows(/active/);
      assert.is(terminal.screen.styled, 0);
    },
    { env: { NO_COLOR: '1' } },
  );
});

test('writes plain blocks to a terminal that does not support the view', async () => {
  await watching(
    async terminal => {
      await until('two looks', () => terminal.written.split('IN FLIGHT').length > 2);
      assert.not.match(terminal.written, '\x1b');
    },
    { env: { TERM: 'dumb' } },
  );
});

test('no text of the API can control the terminal', async () => {
  const evil = '\x1b[2J\x1b]0;owned\x07\x9b31m\rhttp://evil:1\u202e';
  const rows = [evil, 'http://good:80'].map(id => ({
    id,
    pool: id,
    state: evil,
    reason: evil,
    success: 1,
    failed: 0,
  }));
  let isBroken = false;
  await withApi(
    () => (isBroken ? evil : rows),
    async url => {
      await watching(
        async terminal => {
          await terminal.shows(/http:\/\/evil:1[\s\S]*http:\/\/good:80/);
          isBroken = true;
          await terminal.shows(/cannot read .* trying again: .*owned/);
          assert.equal(terminal.screen.unknown, []);
        },
        { url, columns: 200 },
      );
    },
  );
});

/** An admin API with answers that no Weldr gives: rows of servers, the detail of an error, or none at all. */
async function withApi(
  answer: () => readonly object[] | string | undefined,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => {
    const body = answer();
    if (body === undefined) return;
    const sums = { client: { success: 1, failed: 0 }, server: { success: 1, failed: 0 } };
    const isError = typeof body === 'string';
    response.writeHead(isError ? 500 : 200);
    response.end(JSON.stringify(isError ? { detail: body } : request.url === '/stats' ? sums : body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  try {
    await use(`http://127.0.0.1:${address.port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
