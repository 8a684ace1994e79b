// Chromium for tests, from Debian's package, and the page of the dashboard, built from the sources.
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

/** Builds the page, unless it is already built from the same sources. */
export function buildPage(): void {
  const project = resolve(import.meta.dirname, '../..');
  execFileSync(process.execPath, [join(project, 'dashboard/build.ts')], { cwd: project, stdio: 'pipe' });
}

/** Starts Chromium; always close it. */
export async function startBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: '/usr/bin/chromium',
    // Root has no sandbox. The other flags save work on a machine under load.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-extensions'],
  });
}

export type ContextOptions = NonNullable<Parameters<Browser['newContext']>[0]>;

/** Collects problems of the pages of a context: uncaught errors, dialogs, violations of the policy. */
export function complaintsOf(context: BrowserContext): string[] {
  const complaints: string[] = [];
  context.on('weberror', error => complaints.push(error.error().message));
  context.on('dialog', dialog => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on('console', message => {
    if (/Content Security Policy|Trusted/i.test(message.text())) complaints.push(message.text());
  });
  return complaints;
}
