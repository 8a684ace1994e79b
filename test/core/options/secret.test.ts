// Secrets from a variable or a file instead of the config.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { parse } from '../../../core/options/options.ts';
import { secret } from '../../../core/options/secret.ts';
import { suite } from '../../support/suite.ts';

const test = suite('secret');

const schema = z.strictObject({ password: secret().optional() });
const read = (password: string): string | undefined => parse(schema, { password }).password;

let folder: string;
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'secret-'));
});
test.after(() => rmSync(folder, { recursive: true }));

test('is the text itself, unless it names a place', () => {
  assert.is(read('hunter2'), 'hunter2');
  assert.is(read('my env:X'), 'my env:X');
  assert.is(parse(schema, {}).password, undefined);
});

test('is the variable of env:NAME', () => {
  process.env['SECRET_OF_A_TEST'] = 'from outside';
  assert.is(read('env:SECRET_OF_A_TEST'), 'from outside');
  process.env['SECRET_OF_A_TEST'] = '';
  assert.throws(() => read('env:SECRET_OF_A_TEST'), 'password: the variable SECRET_OF_A_TEST is empty');
  delete process.env['SECRET_OF_A_TEST'];
  assert.throws(() => read('env:SECRET_OF_A_TEST'), 'password: the variable SECRET_OF_A_TEST is not set');
  assert.throws(() => read('env:'), 'password: expected the name of a variable after env:, got ""');
});

test('is the content of file:PATH without its last line break, read again each time', () => {
  const path = join(folder, 'password');
  for (const [text, value] of [
    ['one\n', 'one'],
    ['two\r\n', 'two'],
    ['three', 'three'],
    [' four \n\n', ' four \n'],
  ] as const) {
    writeFileSync(path, text);
    assert.is(read(`file:${path}`), value);
  }
  writeFileSync(path, '\n');
  assert.throws(() => read(`file:${path}`), `password: ${path} is empty`);
  assert.throws(() => read(`file:${folder}/none`), /password: the secret cannot be read: ENOENT/);
  assert.throws(() => read(`file:${folder}`), /password: the secret cannot be read: EISDIR/);
});
