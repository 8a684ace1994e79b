// `npm run screenshots`: the screenshots in the README and the docs, of a real Weldr under load, in light and dark.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import { buildPage, startBrowser } from '../test/support/browser.ts';
import { startScene } from './scene.ts';

const folder = resolve(import.meta.dirname, '../docs/images');
/** How long the load runs, to fill the charts. */
const seconds = 150;

buildPage();
mkdirSync(folder, { recursive: true });
const [scene, browser] = await Promise.all([startScene(), startBrowser()]);
try {
  await sleep(seconds * 600);
  await scene.spoil();
  await sleep(seconds * 400);
  for (const scheme of ['light', 'dark'] as const) {
    await shoot(browser, scheme, 'overview');
    await shoot(browser, scheme, 'servers');
  }
  await shoot(browser, 'light', 'servers', 'phone');
} finally {
  await browser.close();
  await scene.close();
}

async function shoot(
  browser: Browser,
  colorScheme: 'light' | 'dark',
  name: string,
  device?: 'phone',
): Promise<void> {
  const viewport = device === undefined ? { width: 1280, height: 800 } : { width: 390, height: 780 };
  const context = await browser.newContext({ colorScheme, viewport, deviceScaleFactor: 1 });
  const page = await context.newPage();
  await page.goto(`${scene.url}#/${name}`);
  await page.getByText('Live', { exact: true }).waitFor();
  // Rates cover the last seconds.
  await sleep(12_000);
  const file = `dashboard-${name}-${device ?? colorScheme}.png`;
  await page.screenshot({ path: join(folder, file) });
  process.stdout.write(`docs/images/${file}\n`);
  await context.close();
}
