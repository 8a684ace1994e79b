// The servers in the text of a file: both formats, and errors for a text in neither.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { readServerList } from '../../../plugins/file-discovery/server-list.ts';
import { suite } from '../../support/suite.ts';

const test = suite('a file of servers');

const read = (text: string, format: 'json' | 'yaml' = 'yaml') =>
  readServerList(text, { format, scheme: 'http' });

function refusal(text: string, format: 'json' | 'yaml' = 'yaml'): string {
  try {
    read(text, format);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : '';
  }
  return 'it was taken';
}

test('lists URLs and servers as the config does, in YAML and JSON', () => {
  const list = ['http://a:1', { url: 'https://b', weight: 3, labels: { zone: 'x' } }];
  assert.equal(read('- http://a:1\n- { url: https://b, weight: 3, labels: { zone: x } }\n').servers, list);
  assert.equal(read(`\uFEFF${JSON.stringify(list)}`, 'json').servers, list);
  assert.equal(read('[]').servers, []);
});

test("lists targets and labels as Prometheus' file_sd_config does, without labels meant for Prometheus", () => {
  const text = `
- targets: [10.0.0.1:80, '[fd00::1]:81']
  labels: { zone: a, __meta_rack: r1, __scheme__: https, empty: '' }
- targets:
    - app.internal
- http://plain:1
`;
  const labels = { zone: 'a' };
  assert.equal(read(text).servers, [
    { url: 'http://10.0.0.1:80', labels },
    { url: 'http://[fd00::1]:81', labels },
    { url: 'http://app.internal' },
    'http://plain:1',
  ]);
  const secure = readServerList('[{ "targets": ["a:1"] }]', { format: 'json', scheme: 'https' });
  assert.equal(secure.servers, [{ url: 'https://a:1' }]);
});

test('names the line of a mistake', () => {
  assert.match(refusal('- a\n- b: [\n'), /^line [23]: /);
  assert.match(refusal('[\n"a",\n}', 'json'), /^line 3: Unexpected token '\}'/);
  assert.is(refusal('[\n"a",', 'json'), 'line 2: Unexpected end of JSON input');
  assert.match(
    refusal('- http://a:1\n- targets: [a:1]\n  label: { a: b }\n'),
    /^line 2: label: .*did you mean labels\?/,
  );
  assert.match(refusal('\n- targets: [7]\n'), /^line 2: targets\[0\]: expected string, got 7$/);
  assert.match(
    refusal('- targets: [a]\n  labels: { v: 1.10 }'),
    /^line 1: labels\.v: expected string, got 1\.1$/,
  );
});

test('names the line of a server that the pool cannot take', () => {
  const list = read('- targets: [a:1, b:1]\n- url: http://c:1\n  weight: 0\n');
  const error = new WeldrError('INPUT_INVALID', 'servers[2].weight: a weight is at least 1', {
    field: 'servers[2].weight',
  });
  assert.is(list.explain(error), 'line 2: weight: a weight is at least 1');
  const twice = new WeldrError('INPUT_INVALID', 'servers[1]: http://b:1 is listed twice', {
    field: 'servers[1]',
  });
  assert.is(list.explain(twice), 'line 1: http://b:1 is listed twice');
  assert.is(list.explain(new Error('no room')), 'no room');
});

test('is refused when it is empty or not a list', () => {
  assert.is(refusal(' \n'), 'it is empty; a list without servers is written []');
  assert.match(refusal('# nothing\n'), /^it is empty/);
  assert.match(
    refusal('servers: [a]'),
    /^expected a list of servers, such as .* or of targets and labels, got \{/,
  );
});

test('cannot grow by aliases', () => {
  const bomb = ['- &a [x]', ...Array.from({ length: 2000 }, () => '- *a')].join('\n');
  assert.match(refusal(bomb), /alias/);
});
