// dashboard: axe finds nothing in any page, with routes, certificates and events to show, in light and dark.
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { startScene } from '../../../dashboard/scene.ts';
import { buildPage, startBrowser } from '../../support/browser.ts';
import { suite } from '../../support/suite.ts';

const test = suite('dashboard: every page', { timeoutMs: 240_000, testTimeoutMs: 110_000 });

const axe = readFileSync(new URL('../../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const pages = [
  'overview',
  'servers',
  'routes',
  'requests',
  'certificates',
  'cluster',
  'events',
  'explain',
  'plugins',
];

test('axe finds nothing in any page', async () => {
  buildPage();
  const [scene, browser] = await Promise.all([startScene(), startBrowser()]);
  try {
    await scene.spoil();
    const page = await (await browser.newContext({ colorScheme: 'light' })).newPage();
    page.setDefaultTimeout(45_000);
    for (const name of pages) {
      await page.goto(`${scene.url}#/${name}`);
      await page.getByText('Live', { exact: true }).waitFor();
      await page.locator('main h1').waitFor();
      await page.waitForTimeout(500);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.locator(`html[data-theme="${colorScheme}"]`).waitFor();
        await page.evaluate(`globalThis.axe ?? (() => { ${axe} })()`);
        const found = await page.evaluate(
          'axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ": " + html)))',
        );
        assert.equal(found, [], `${name} in ${colorScheme}`);
      }
    }
  } finally {
    await browser.close();
    await scene.close();
  }
});
