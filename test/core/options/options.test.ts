// parse: messages that name the field.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { WeldrError } from '../../../core/errors.ts';
import { duration } from '../../../core/options/duration.ts';
import { parse } from '../../../core/options/options.ts';
import { suite } from '../../support/suite.ts';
import { errorOf } from '../../support/weldr-error.ts';

const test = suite('parse');

const schema = z.strictObject({
  wait: duration().default(5),
  servers: z.array(z.strictObject({ weight: z.number() })).default([]),
});

const failureOf = (input: unknown, where = ''): WeldrError =>
  errorOf(() => parse(schema, input, 'INPUT_INVALID', where));

test('returns the output of the schema', () => {
  assert.equal(parse(schema, { wait: '1s' }), { wait: 1000, servers: [] });
});

test('names the field, its place and what was given', () => {
  const error = failureOf({ servers: [{ weight: 1 }, { weight: 'x' }] });
  assert.is(error.code, 'INPUT_INVALID');
  assert.is(error.field, 'servers[1].weight');
  assert.is(error.message, 'servers[1].weight: expected number, got "x"');
});

test('puts the place in the config before the path', () => {
  assert.is(
    failureOf({ wait: 'soon' }, 'plugins[1]').message,
    'plugins[1].wait: expected a duration such as "30s", got "soon"',
  );
  assert.is(failureOf([], 'plugins[1]').field, 'plugins[1]');
});

test('names every unknown key', () => {
  const error = failureOf({ wiat: '1s', colour: 1 });
  assert.is(
    error.message,
    'wiat: there is no such option; did you mean wait?\ncolour: there is no such option',
  );
  assert.is(error.field, 'wiat');
});

test('names what is missing', () => {
  assert.is(failureOf({ servers: [{}] }).message, 'servers[0].weight: expected number, got nothing');
});

test('shows values that JSON cannot express', () => {
  const loop: Record<string, unknown> = {};
  loop['self'] = loop;
  assert.match(failureOf({ servers: 10n }).message, /^servers: expected array, got 10n$/);
  assert.match(failureOf({ servers: loop }).message, /^servers: expected array, got /);
  assert.match(failureOf({ servers: () => 1 }).message, /^servers: expected array, got \[Function/);
});

test('fails with CONFIG_INVALID by default', () => {
  assert.throws(
    () => parse(schema, 1),
    (error: unknown) => error instanceof WeldrError && error.code === 'CONFIG_INVALID',
  );
});

test('reports the mistake within the intended option of a union', () => {
  const schema = z.object({ a: z.union([z.number().max(3), z.strictObject({ b: z.number() })]) });
  assert.throws(() => parse(schema, { a: 5 }), /^a: expected a number of at most/);
  assert.throws(() => parse(schema, { a: { b: 'x' } }), /^a\.b: expected number, got "x"$/);
  assert.throws(
    () => parse(schema, { a: { b: 1, c: 2 } }),
    /^a\.c: there is no such option; did you mean b\?$/,
  );
  assert.throws(() => parse(schema, { a: true }), /^a: expected number or object, got true$/);
  const worded = z.union([z.number(), z.array(z.number())], 'expected numbers');
  assert.throws(() => parse(worded, ['x']), /^expected numbers$/);
});
