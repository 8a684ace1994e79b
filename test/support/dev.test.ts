// `npm run dev`, in a separate project.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from './suite.ts';
import { until } from './until.ts';

const test = suite('npm run dev');
const script = join(import.meta.dirname, '../dev.ts');
const suiteModule = new URL('./suite.ts', import.meta.url).href;

test('runs the demo, checks types, and runs the tests that a change affects', async () => {
  const project = mkdtempSync(join(tmpdir(), 'project-'));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  };
  const scripts = { 'dev:demo': 'echo serves; exec sleep 600', 'dev:types': 'echo checks; exec sleep 600' };
  write('package.json', JSON.stringify({ type: 'module', scripts }));
  for (const folder of ['bin', 'config', 'plugins']) mkdirSync(join(project, folder));
  write('core/sum.ts', 'export const sum = 2;\n');
  write('core/alone.ts', 'export {};\n');
  const body = `suite('sum')('is two', () => { if (sum !== 2) throw new Error('it is ' + sum); });\n`;
  write(
    'test/sum.test.ts',
    `import { suite } from ${JSON.stringify(suiteModule)};\nimport { sum } from '../core/sum.ts';\n${body}`,
  );
  const dev = spawn(process.execPath, ['-C', 'weldr-source', script, '--project', project]);
  let output = '';
  for (const stream of [dev.stdout, dev.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const says = (pattern: RegExp) => until(`${pattern} in ${output}`, () => pattern.test(output), 30_000);
  try {
    await says(/^demo {2}│ serves$/m);
    await says(/^types │ checks$/m);
    write('core/sum.ts', 'export const sum = 3;\n');
    await says(/^tests │ .*✘ test\/sum\.test\.ts › sum: is two$/m);
    await says(/^tests │ 0 passed, 1 failed$/m);
    // The failed test runs again with the next change, whatever it is.
    write('core/alone.ts', 'export const alone = 1;\n');
    await until('again', () => output.match(/0 passed, 1 failed/g)?.length === 2, 30_000);
    write('core/sum.ts', 'export const sum = 2;\n');
    await says(/^tests │ 1 passed, 0 failed$/m);
    // Only after the run: a change during it would restart it.
    await until('nothing is left', async () => {
      write('core/alone.ts', 'export const alone = 2;\n');
      await sleep(500);
      return /^tests │ none is affected by core\/alone\.ts$/m.test(output);
    });
  } finally {
    dev.kill('SIGINT');
    const [code] = await once(dev, 'exit');
    rmSync(project, { recursive: true });
    assert.is(code, 0);
  }
});
