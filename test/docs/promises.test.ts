// The promises of SECURITY.md and docs/reliability.md name their tests, which exist.
import { existsSync, readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';

const test = suite('promises');

const root = new URL('../../', import.meta.url);

for (const page of ['SECURITY.md', 'docs/reliability.md']) {
  test(`${page} names existing tests`, () => {
    const text = readFileSync(new URL(page, root), 'utf8');
    const paths = [...text.matchAll(/`(test\/[\w./-]+)`/g)].map(([, path = '']) => path);
    assert.ok(paths.length > 10);
    assert.equal(
      paths.filter(path => !existsSync(new URL(path, root))),
      [],
    );
  });

  test(`${page} has a test in each row of its promises`, () => {
    const text = readFileSync(new URL(page, root), 'utf8');
    let isPromise = false;
    for (const line of text.split('\n')) {
      if (/^\| (threat|promise) \|/.test(line)) isPromise = true;
      else if (!line.startsWith('|')) isPromise = false;
      else if (isPromise && !line.startsWith('| ---')) assert.match(line, /`test\//, line);
    }
  });
}
