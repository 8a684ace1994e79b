// Settings: the config without its plugins.
import * as assert from 'uvu/assert';
import { parse } from '../../../core/options/options.ts';
import { settingsSchema } from '../../../core/settings/settings.ts';
import { suite } from '../../support/suite.ts';

const settings = suite('settings');

settings('have a default for everything', () => {
  const parsed = parse(settingsSchema, {});
  assert.equal(
    parsed.listen.map(({ address }) => address),
    ['0.0.0.0:8080'],
  );
  assert.is(parsed.workers, 'auto');
  assert.equal(parsed.servers, []);
  assert.equal(
    [parsed.timeouts.connect, parsed.timeouts.response, parsed.timeouts.body, parsed.drainTimeout],
    [5000, 60_000, 60_000, 30_000],
  );
  assert.is(parsed.limits.body, undefined);
  assert.is(parsed.trace, false);
  assert.is(parsed.via, 'weldr');
});

settings('fill in the rest of a partial group', () => {
  const { timeouts } = parse(settingsSchema, { timeouts: { connect: '1s' } });
  assert.equal([timeouts.connect, timeouts.response], [1000, 60_000]);
});

settings('take servers as URLs and as objects', () => {
  const { servers } = parse(settingsSchema, { servers: ['http://a:1', { url: 'http://b:1', weight: 2 }] });
  assert.equal(
    servers.map(s => [s.url, s.weight]),
    [
      ['http://a:1', 1],
      ['http://b:1', 2],
    ],
  );
});

const wrong: [input: Record<string, unknown>, message: RegExp][] = [
  [{ listne: ':80' }, /^listne: there is no such option; did you mean listen\?$/],
  [{ listen: 'here' }, /listen\[0\]: expected an address such as .*, got "here"/],
  [{ listen: [] }, /^listen/],
  [{ servers: ['http://a:1', 'nonsense'] }, /^servers\[1\]\.url: "nonsense" is not a server's URL/],
  [{ servers: [{ url: 'http://a', weight: 0 }] }, /^servers\[0\]\.weight/],
  [{ pools: { 'a b': [] } }, /^pools/],
  [{ workers: -1 }, /^workers/],
  [{ workers: 'many' }, /^workers/],
  [{ timeouts: { connect: 'soon' } }, /^timeouts\.connect: expected a duration such as "30s", got "soon"$/],
  [{ limits: { headers: 'big' } }, /^limits\.headers: expected a size such as "16kb", got "big"$/],
  [{ forwarded: { trusted: ['10.0.0.0/33'] } }, /^forwarded\.trusted\[0\]: expected an address, a network/],
  [{ forwarded: { mode: 'guess' } }, /^forwarded\.mode/],
  [{ via: 'we ldr' }, /^via: expected a name without spaces$/],
  [{ logLevel: 'loud' }, /^logLevel/],
];
for (const [input, message] of wrong) {
  settings(`refuse ${JSON.stringify(input)}`, () => {
    assert.throws(() => parse(settingsSchema, input), message);
  });
}

for (const trusted of ['10.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '::1', 'fd00::/8', '::/128', 'unix:']) {
  settings(`trust ${trusted}`, () => {
    assert.equal(parse(settingsSchema, { forwarded: { trusted: [trusted] } }).forwarded.trusted, [trusted]);
  });
}

for (const trusted of [
  '',
  'example.com',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '10.0.0.0/-1',
  '::/129',
  '10.0.0/8',
  '/8',
  'unix:/run/app.sock',
]) {
  settings(`do not accept ${JSON.stringify(trusted)} as a network`, () => {
    assert.throws(
      () => parse(settingsSchema, { forwarded: { trusted: [trusted] } }),
      /forwarded\.trusted\[0\]/,
    );
  });
}
