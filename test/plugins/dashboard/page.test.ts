// dashboard, in a real browser: what a person does with it, from signing in to signing out.
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { startTestOrigin, type TestOrigin } from '../../../bin/test-origin.ts';
import { buildPage, complaintsOf, startBrowser } from '../../support/browser.ts';
import { suite } from '../../support/suite.ts';
import { startWeldr, type TestWeldr } from '../../support/weldr.ts';

const test = suite('dashboard page', { timeoutMs: 240_000, testTimeoutMs: 110_000 });

const token = 'correct-horse-battery-staple';
const readToken = 'only-for-those-who-look';

const config = `
  import { defineConfig } from 'weldr';
  import { adminApi, dashboard, healthCheck, leastRequests, metrics, retry, routes, stats } from 'weldr/plugins';
  export default defineConfig({
    listen: '127.0.0.1:0', workers: 1,
    pools: { default: [], spare: [] },
    plugins: [
      metrics({ stages: 1 }), routes([{ name: 'shop', path: '/shop/*', pool: 'default', stripPrefix: '/shop' }]),
      retry({ statuses: [503], budget: 1 }), leastRequests(), stats(),
      healthCheck({ interval: '100ms', timeout: '1s', path: '/headers', failures: 2, passes: 1 }),
      adminApi({ listen: '127.0.0.1:0', token: '${token}', readToken: '${readToken}' }), dashboard(),
    ],
  });`;

let weldr: TestWeldr;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: string[];
const origins: TestOrigin[] = [];

test.before(async () => {
  buildPage();
  [weldr, browser] = await Promise.all([startWeldr({ config }), startBrowser()]);
  context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  context.setDefaultTimeout(45_000);
  complaints = complaintsOf(context);
  page = await context.newPage();
  await page.goto(weldr.adminUrl);
});

test.after(async () => {
  await browser?.close();
  await weldr?.stop();
  await Promise.all(origins.map(origin => origin.close()));
});

async function startOrigin(): Promise<string> {
  const origin = await startTestOrigin('127.0.0.1', 0);
  origins.push(origin);
  return `127.0.0.1:${origin.port}`;
}

async function signIn(on: Page, given: string): Promise<void> {
  await on.getByLabel('Admin token').fill(given);
  await on.getByRole('button', { name: 'Sign in' }).click();
}

const rowOf = (address: string): Locator => page.locator(`[data-server="http://${address}"]`);

async function addServer(address: string, pool = 'default'): Promise<void> {
  await page.getByRole('button', { name: 'Add server' }).click();
  await page.getByLabel('Address').fill(address);
  await page.getByRole('dialog').getByLabel('Pool').selectOption(pool);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await rowOf(address).getByText('Active', { exact: true }).waitFor();
}

test('a wrong token is refused with a message, and the right one signs in', async () => {
  assert.is(new URL(page.url()).pathname, '/ui/');
  await signIn(page, 'not-the-right-token');
  await page.getByText('This is not the token.').waitFor();
  await signIn(page, token);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  assert.not.match(page.url(), token);
  const kept = await page.evaluate(
    'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])',
  );
  assert.is(kept, '[{},{},""]');
});

test('a person adds a server and sees it become active', async () => {
  await page.getByRole('link', { name: /^Servers/ }).click();
  await page.getByText('No servers yet').waitFor();
  await addServer(await startOrigin());
  await addServer(await startOrigin());
  await page.getByRole('button', { name: 'Add server' }).click();
  await page.getByLabel('Address').fill('http://no.port:99999');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.locator('#add-problem:not(:empty)').waitFor();
  await page.keyboard.press('Escape');
});

test('a person with only the page finds the sick server, drains it under load, and sees that nothing was lost', async () => {
  const [sick = '', other = ''] = origins.map(({ port }) => `127.0.0.1:${port}`);
  // Its checks pass: only its answers are wrong.
  await fetch(`http://${sick}/health/fail`, { method: 'POST' });
  const over = new AbortController();
  const answers: number[] = [];
  const send = async (path: string): Promise<void> => {
    while (!over.signal.aborted) {
      const response = await fetch(`${weldr.url}/shop${path}`);
      await response.arrayBuffer();
      answers.push(response.status);
    }
  };
  const load = Promise.all(['/', '/', ...Array.from({ length: 6 }, () => '/slow?ms=400')].map(send));
  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  await page
    .getByRole('link', { name: new RegExp(`${sick} of default fails \\d+ % of its requests`) })
    .click();
  const first = page.locator('[data-server]').first();
  await first.getByText(sick).waitFor();
  await first.locator('.cell-errors.is-bad').waitFor();
  await first.getByRole('button', { name: `Drain ${sick}` }).click();
  await first.getByText('Draining').waitFor();
  await page.getByText(`${sick} is drained: no requests left`).waitFor();
  await rowOf(sick).getByText('empty', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  await page.getByText(`${sick} of default fails`).waitFor({ state: 'detached' });
  await page.locator('section', { hasText: 'Errors' }).locator('.figure', { hasText: /^0 %/ }).waitFor();
  await page.getByRole('link', { name: /^Requests/ }).click();
  await page.locator('.request', { hasText: other }).first().waitFor();
  await page.getByLabel('Server').fill(sick);
  await page.keyboard.press('Enter');
  await page.getByText('Waiting for requests…').waitFor();
  over.abort();
  await load;
  assert.ok(answers.length > 50, `${answers.length} requests`);
  assert.is(answers.filter(status => status !== 200).length, 0);
  const line = await weldr.logged(({ msg }) => msg.startsWith(`PATCH /servers/${sick.replace(':', '/')}`));
  assert.is(line['by'], '127.0.0.1 with the token on the dashboard');
});

test('requests are shown with their attempts and what answered, routes with their hits, plugins with their time', async () => {
  const [sick = ''] = origins.map(({ port }) => `127.0.0.1:${port}`);
  await page.getByRole('link', { name: /^Servers/ }).click();
  await rowOf(sick)
    .getByRole('button', { name: `Enable ${sick}` })
    .click();
  await rowOf(sick).getByText('Active', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Routes' }).click();
  const route = page.getByRole('row', { name: /^shop/ });
  await route.getByText('just now').or(route.getByText(/ ago/)).waitFor();
  await page.getByRole('link', { name: 'requests of shop' }).click();
  await page.getByLabel('Path').fill('/shop/*');
  await page.keyboard.press('Enter');
  const retried = page.locator('.request', { hasText: '2 attempts' }).first();
  while ((await retried.count()) === 0) {
    await fetch(`${weldr.url}/shop/`);
    await page.waitForTimeout(100);
  }
  await page.getByRole('button', { name: 'Pause' }).click();
  await retried.getByText('route shop → pool default').waitFor();
  await retried.locator('summary').click();
  const attempts = retried.getByRole('list', { name: 'Attempts' });
  await attempts.getByText(`${sick} answered 503`).waitFor();
  await attempts.getByText('answered 200').waitFor();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('link', { name: 'Plugins' }).click();
  const list = page.getByRole('region', { name: 'All requests' }).getByRole('listitem');
  await list.first().locator('dd').first().waitFor();
  assert.equal(await list.locator('strong').allTextContents(), [
    'metrics',
    'routes',
    'retry',
    'least-requests',
    'stats',
    'health-check',
    'admin-api',
    'dashboard',
  ]);
  await fetch(`http://${sick}/health/pass`, { method: 'POST' });
});

test('a server that was killed is shown as down, with its reason', async () => {
  const [first] = origins;
  assert.ok(first);
  await page.getByRole('link', { name: /^Servers/ }).click();
  await first.close();
  origins.shift();
  const row = rowOf(`127.0.0.1:${first.port}`);
  await row.getByText('Down').waitFor();
  await row
    .getByText(/refused/)
    .first()
    .waitFor({ timeout: 3000 });
  await page.getByLabel('Down only').check();
  assert.is(await page.locator('[data-server]').count(), 1);
  await page.getByLabel('Down only').uncheck();
  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  await page.getByText(/1 of 2 servers of default down: .*refused/i).waitFor();
});

test('a weight is set by the keyboard, and a removal asks first', async () => {
  await page.getByRole('link', { name: /^Servers/ }).click();
  const address = `127.0.0.1:${origins[0]?.port}`;
  await rowOf(address)
    .getByRole('button', { name: `More for ${address}` })
    .focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('spinbutton', { name: 'Weight' }).fill('7');
  await page.keyboard.press('Enter');
  await page.getByText(`${address} has weight 7`).waitFor();
  await rowOf(address).locator('.cell-weight').getByText('7').waitFor();
  await page.getByLabel('Select all servers').check();
  await page.getByRole('button', { name: 'Remove…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByText('No servers yet').waitFor();
});

test('a person adds a server, sees it become active, switches a route to it, and sees who did it in the events', async () => {
  const address = await startOrigin();
  await page.getByRole('link', { name: /^Servers/ }).click();
  await addServer(address, 'spare');
  await page.getByRole('link', { name: 'Routes' }).click();
  await page.getByLabel('Pool of shop').selectOption('spare');
  await page.getByText('shop leads to spare').waitFor();
  await page.getByPlaceholder('https://shop.example/api/x').fill('http://shop.example/shop/a');
  await page.getByRole('button', { name: 'Find route' }).click();
  await page.getByText('Route shop matches').waitFor();
  // The pool default is empty by now.
  assert.is((await fetch(`${weldr.url}/shop/`)).status, 200);
  await page.getByRole('link', { name: 'Events' }).click();
  await page.getByLabel('Filter').fill('shop dashboard');
  await page
    .locator('.event', { hasText: /route shop.*by 127\.0\.0\.1 with the token on the dashboard/ })
    .waitFor();
  await page.getByLabel('Filter').fill(`${address} spare`);
  await page
    .locator('.event', { hasText: /token on the dashboard/ })
    .first()
    .waitFor();
  await page.getByRole('button', { name: 'Undo' }).last().click();
  await page.getByText('shop leads to default again').waitFor();
  assert.is((await fetch(`${weldr.url}/shop/`)).status, 503);
});

test('a list of routes that is not complete says so', async () => {
  const routes = [{ name: 'one', pool: 'default', layer: 'config' }];
  let links = [{ rel: 'next' }];
  await page.route('**/ui/api/routes?limit=1000', route => route.fulfill({ json: { routes, links } }));
  await page.getByRole('link', { name: 'Routes' }).click();
  await page.getByText('the first 1 route;').waitFor();
  links = [];
  await page.getByText(/^1 route;/).waitFor();
  await page.unroute('**/ui/api/routes?limit=1000');
});

test('a list of events, problems or servers that is cut says what is missing', async () => {
  const other = await context.newPage();
  const answer = async (path: string, json: object) =>
    await other.route(`**/ui/api/${path}`, route => route.fulfill({ json }));
  const at = Date.now();
  const overview = await (await context.request.get(`${weldr.adminUrl}/ui/api/overview`)).json();
  const problems = Array.from({ length: 25 }, (_, n) => ({
    severity: 'warning',
    text: `trouble ${n}`,
    since: at,
    links: [],
  }));
  const events = Array.from({ length: 1000 }, (_, n) => ({
    id: n + 1,
    at,
    type: 'setting.changed',
    severity: 'info',
    text: `event ${n}`,
  }));
  await answer('overview', { ...overview, problems });
  await answer('events?limit=1000', { events });
  await answer('pools', {
    pools: Array.from({ length: 60 }, (_, n) => ({ name: `p${n}`, servers: 0, available: 0 })),
  });
  await answer('pools/*/servers', { servers: [] });
  // Real overviews would replace the one above.
  await other.route('**/ui/api/events?overview*', route =>
    route.fulfill({ contentType: 'text/event-stream', body: ': nothing\n\n' }),
  );
  await other.goto(`${weldr.adminUrl}/ui/#/overview`);
  await other.getByText('5 more problems').waitFor();
  await other.goto(`${weldr.adminUrl}/ui/#/events`);
  await other.getByText('the last 1,000 events, newest first').waitFor();
  await other.getByText('800 more; filter to see them.').waitFor();
  await other.goto(`${weldr.adminUrl}/ui/#/servers`);
  await other.getByText('These are the first 50 of 60 pools; choose one to see its servers.').waitFor();
  await other.close();
});

test('the cluster page shows since when a node leads, and which nodes cannot', async () => {
  const at = Date.now() - 300_000;
  const cluster = {
    node: 'a',
    leading: false,
    leader: null,
    leaderSince: 0,
    stale: false,
    lag: { ms: 412 },
    members: [
      { node: 'a', leading: false, startedAt: at, unfit: 'no worker responds' },
      { node: 'b', leading: false, startedAt: at, maintenance: { by: 'me', since: at } },
      { node: 'c', leading: false, startedAt: at },
    ],
    etcdMembers: [],
  };
  let json: object = cluster;
  await page.route('**/ui/api/cluster', route => route.fulfill({ json }));
  await page.getByRole('link', { name: 'Cluster' }).click();
  const card = page.locator('section', { hasText: 'Leader' });
  await card.getByText('none', { exact: true }).waitFor();
  assert.is(await card.getByText('ago').count(), 0);
  await page.getByText('412 ms ago').waitFor();
  for (const row of ['a cannot lead: no worker responds', 'b in maintenance', 'c stands by']) {
    await page.getByRole('row', { name: row }).waitFor();
  }
  json = { ...cluster, leader: 'a', leading: true, leaderSince: at };
  await card.getByText('this node, elected 5 min ago').waitFor();
  await page.unroute('**/ui/api/cluster');
});

test('a lost connection is shown, and resumed', async () => {
  await context.setOffline(true);
  await page.getByText('Weldr does not respond.').waitFor();
  await context.setOffline(false);
  await page.getByRole('status').getByText('Live').waitFor();
});

test('a reader sees everything and is offered no change', async () => {
  const other = await browser.newContext();
  const reader = await other.newPage();
  await reader.goto(`${weldr.adminUrl}/ui/#/servers`);
  await signIn(reader, readToken);
  await reader.getByRole('heading', { name: 'Servers' }).waitFor();
  await reader.getByText('Read only').waitFor();
  assert.is(await reader.getByRole('button', { name: 'Add server' }).count(), 0);
  await other.close();
});

test('a person signs out, and the cookie is no longer valid', async () => {
  const [cookie] = await context.cookies(`${weldr.adminUrl}/ui/api/`);
  assert.ok(cookie?.httpOnly && cookie.sameSite === 'Strict' && cookie.path === '/ui/');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  const headers = { cookie: `${cookie.name}=${cookie.value}`, 'weldr-page': '1' };
  assert.is((await fetch(`${weldr.adminUrl}/ui/api/servers`, { headers })).status, 401);
  assert.equal(complaints, []);
});
