// dashboard, in a real browser: what upstreams and other sites cannot do to it, and that it is accessible.
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { buildPage, type ContextOptions, complaintsOf, startBrowser } from '../../support/browser.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { startWeldr, type TestWeldr } from '../../support/weldr.ts';

const test = suite('dashboard safety', { timeoutMs: 240_000, testTimeoutMs: 110_000 });

const token = 'correct-horse-battery-staple';
const script = '<img src=x onerror=alert(1)><script>alert(2)</script>';
const axe = readFileSync(new URL('../../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

const config = (servers: number): string => `
  import { defineConfig } from 'weldr';
  import { adminApi, dashboard, healthCheck, leastRequests, stats } from 'weldr/plugins';
  const many = Array.from({ length: ${servers} }, (_, at) => ({ url: 'http://10.1.' + (at >> 8) + '.' + (at & 255) + ':3000', state: 'disabled' }));
  export default defineConfig({
    listen: '127.0.0.1:0', workers: 1,
    pools: { default: [], many },
    plugins: [leastRequests(), healthCheck({ interval: '200ms' }), stats(), adminApi({ listen: '127.0.0.1:0', token: '${token}' }), dashboard()],
  });`;

let weldr: TestWeldr;
let browser: Browser;
/** An upstream that puts scripts into everything that it sends. */
let hostile: Server;
/** Another site, on this host. */
let site: Server;
/** The cookie of a session. */
let signedIn: Parameters<BrowserContext['addCookies']>[0];
const bearer = { authorization: `Bearer ${token}` };

test.before(async () => {
  buildPage();
  hostile = createServer((_, response) => {
    response.writeHead(500, script.replaceAll(/[^\t -~]/g, ''), { 'content-type': 'text/html' }).end(script);
  });
  site = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<iframe src="${weldr.adminUrl}/ui/"></iframe>
      <form method="post" enctype="text/plain" action="${weldr.adminUrl}/ui/api/pools"><input name='{"name":"forged","a":"' value='"}'></form>`);
  });
  for (const server of [hostile, site]) {
    server.listen(0, '127.0.0.1');
    await new Promise(resolve => server.once('listening', resolve));
  }
  [weldr, browser] = await Promise.all([startWeldr({ config: config(1000) }), startBrowser()]);
  const answer = await fetch(`${weldr.adminUrl}/servers`, {
    method: 'POST',
    headers: bearer,
    body: JSON.stringify({ url: urlOf(hostile), labels: { zone: script } }),
  });
  assert.is(answer.status, 201, await answer.text());
  signedIn = [await sessionOf()];
});

test.after(async () => {
  await browser?.close();
  await weldr?.stop();
  for (const server of [hostile, site]) {
    server?.closeAllConnections();
    server?.close();
  }
});

async function sessionOf() {
  const headers = { 'weldr-page': '1', origin: weldr.adminUrl };
  const body = JSON.stringify({ token });
  const answer = await fetch(`${weldr.adminUrl}/ui/api/session`, { method: 'POST', headers, body });
  const [, name = '', value = ''] = /^([^=]+)=([^;]+)/.exec(answer.headers.get('set-cookie') ?? '') ?? [];
  return { name, value, domain: '127.0.0.1', path: '/ui/', httpOnly: true, sameSite: 'Strict' } as const;
}

const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

interface Visit {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly complaints: readonly string[];
}

async function visit(options: ContextOptions, body: (visit: Visit) => Promise<void>): Promise<void> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(45_000);
  const complaints = complaintsOf(context);
  try {
    await context.addCookies(signedIn);
    const page = await context.newPage();
    await page.goto(`${weldr.adminUrl}/ui/`);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await body({ context, page, complaints });
  } finally {
    await context.close();
  }
}

const hashes = ['overview', 'servers', 'routes', 'certificates', 'cluster', 'events', 'explain', 'plugins'];

async function open(page: Page, name: string): Promise<void> {
  await page.evaluate(`location.hash = '#/${name}'`);
  await page.locator(`nav a[aria-current][href="#/${name}"]`).waitFor();
  await page.locator('h1').waitFor();
}

/** What axe finds, as `rule: element`. */
async function violations(page: Page, what: 'all' | 'colours'): Promise<string[]> {
  await page.evaluate(`globalThis.axe ?? (() => { ${axe} })()`);
  const options = what === 'all' ? {} : { runOnly: ['color-contrast'] };
  const { violations, passes } = await page.evaluate<AxeResult>(`axe.run(${JSON.stringify(options)})`);
  assert.ok(passes.length >= (what === 'all' ? 10 : 1), 'it looked at the page');
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
  readonly passes: readonly unknown[];
}

test('the whole page is at most 120 KB, compressed', () => {
  const folder = fileURLToPath(new URL('../../../dashboard/dist/', import.meta.url));
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile());
  const sizes = files.map(({ parentPath, name }) => gzipSync(readFileSync(join(parentPath, name))).length);
  const sum = sizes.reduce((all, size) => all + size, 0);
  assert.ok(sum > 20_000 && sum <= 120_000, `${sum} bytes`);
});

test('texts from upstreams are shown as text and never run', async () => {
  await visit({}, async ({ page, complaints }) => {
    await open(page, 'servers');
    await page.getByLabel('Pool').selectOption('default');
    const row = page.locator(`[data-server="${urlOf(hostile)}"]`);
    await row.getByText('Down').waitFor();
    await row.locator('button.address').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(script).first().waitFor();
    assert.is(await dialog.locator('img, script, b').count(), 0);
    await page.keyboard.press('Escape');
    await open(page, 'overview');
    await page
      .getByText(/1 of 1 servers? of default/)
      .first()
      .waitFor();
    assert.equal(complaints, []);
  });
});

test('another site on this host can neither frame it nor use it to change anything', async () => {
  await visit({}, async ({ context, page }) => {
    const other = await context.newPage();
    await other.goto(urlOf(site));
    // A refused frame shows the browser's own error.
    const frame = other.frames()[1];
    assert.ok(frame !== undefined && !frame.url().startsWith(weldr.adminUrl), frame?.url());
    const fetched = await other.evaluate(
      `fetch('${weldr.adminUrl}/ui/api/pools', { method: 'POST', credentials: 'include', mode: 'no-cors', headers: { 'content-type': 'text/plain' }, body: '{"name":"forged"}' }).then(r => r.type)`,
    );
    assert.is(fetched, 'opaque');
    await other.evaluate("document.querySelector('form').submit()");
    const refused = (): number =>
      weldr.logs.filter(({ msg }) => msg.startsWith('refused POST /pools')).length;
    await until('both were refused', () => refused() === 2);
    const pools = await (await fetch(`${weldr.adminUrl}/pools`, { headers: bearer })).text();
    assert.not.match(pools, 'forged');
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  });
});

test('axe finds nothing in the most used pages, in light and dark', async () => {
  await visit({ colorScheme: 'light', viewport: { width: 1280, height: 800 } }, async ({ page }) => {
    const look = async (name: string): Promise<void> => {
      assert.equal(await violations(page, 'all'), [], name);
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.locator('html[data-theme="dark"]').waitFor();
      assert.equal(await violations(page, 'colours'), [], `${name} in dark`);
      await page.emulateMedia({ colorScheme: 'light' });
    };
    await page.locator('.pool-card').first().waitFor();
    await look('overview');
    await open(page, 'servers');
    await page.locator('[data-server]').first().waitFor();
    await look('servers');
    await page.getByRole('button', { name: 'Add server' }).click();
    await look('a dialog');
  });
});

test('a phone shows every page without scrolling sideways, and a thousand servers with a few rows', async () => {
  await visit({ viewport: { width: 375, height: 700 }, hasTouch: true }, async ({ page }) => {
    for (const name of hashes) {
      await open(page, name);
      const wider = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      assert.is(wider, 0, name);
    }
    await open(page, 'servers');
    await page.getByLabel('Pool').selectOption('many');
    await page.locator('[data-server]').nth(3).waitFor();
    assert.ok((await page.locator('[data-server]').count()) < 60);
    await page.evaluate('scrollTo(0, document.body.scrollHeight)');
    await page.locator('[data-server="http://10.1.3.231:3000"]').waitFor();
  });
});
