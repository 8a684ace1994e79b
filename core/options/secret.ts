// Secret: an option that can be kept outside of the config, in an environment variable or a file.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { describeError } from '../errors.ts';

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** More than any secret has, bytes. */
const maxBytes = 64 * 1024;

/**
 * A schema for a secret: the text itself, `env:NAME` for an environment variable, or `file:PATH` for the content of a file
 * without its last line break. It is read again with each config. Use it only in options of plugins: anyone who can change
 * its input can read any file of this machine.
 *
 * @example
 * z.strictObject({ password: secret().optional() })
 */
export function secret() {
  return z
    .string()
    .max(maxBytes)
    .transform((text, context) => {
      try {
        return secretIn(text);
      } catch (thrown) {
        context.addIssue({ code: 'custom', message: describeError(thrown) });
        return z.NEVER;
      }
    })
    .meta({ examples: ['env:NAME', 'file:PATH'] });
}

/** The path in `file:PATH`; undefined for other texts. */
export function fileOfSecret(text: string): string | undefined {
  return text.startsWith('file:') ? text.slice('file:'.length) : undefined;
}

function secretIn(text: string): string {
  if (text.startsWith('env:')) return variable(text.slice('env:'.length));
  const path = fileOfSecret(text);
  return path === undefined ? text : content(path);
}

function variable(name: string): string {
  if (!variableName.test(name)) throw new Error(`expected the name of a variable after env:, got "${name}"`);
  const value = process.env[name];
  if (value === undefined) throw new Error(`the variable ${name} is not set; set it where Weldr is started`);
  if (value === '') throw new Error(`the variable ${name} is empty`);
  return value;
}

function content(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new Error(
      `the secret cannot be read: ${describeError(thrown)}; make ${path} a file that this user may read`,
    );
  }
  if (text.length > maxBytes) throw new Error(`${path} has over ${maxBytes} bytes, too many for a secret`);
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw new Error(`${path} is empty`);
  return value;
}
