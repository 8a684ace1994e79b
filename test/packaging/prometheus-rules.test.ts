// The alerts for Prometheus: promtool accepts them, each case raises its own, and they query only metrics of Weldr.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';

const test = suite('alert rules');

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const rules = pathOf('../../packaging/prometheus/weldr.rules.yml');
const cases = pathOf('weldr-rules.yml');

test('each alert is raised by its case, and by nothing else', () => {
  execFileSync('promtool', ['check', 'rules', rules], { stdio: 'pipe' });
  execFileSync('promtool', ['test', 'rules', cases], { stdio: 'pipe' });
  const tried = readFileSync(cases, 'utf8');
  const names = [...readFileSync(rules, 'utf8').matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  assert.ok(names.length > 10);
  for (const name of names) assert.match(tried, new RegExp(`alertname: ${name}\n\\s+exp_alerts:\n`), name);
});

test('they query only metrics that exist', () => {
  const readme = readFileSync(pathOf('../../plugins/metrics/README.md'), 'utf8');
  for (const [, name = ''] of readFileSync(rules, 'utf8').matchAll(/\b((?:weldr|etcd)_\w+)/g)) {
    assert.ok(readme.includes(`\`${name.replace(/_bucket$/, '')}\``), name);
  }
});
