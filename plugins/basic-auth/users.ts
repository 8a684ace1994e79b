// Users: user names and password hashes, from a config or from a file as htpasswd writes it.
import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import { fileOfSecret, secret } from '../../core/options/secret.ts';
import { type PasswordHash, readHash } from './password-hash.ts';

const maxFileBytes = 1024 * 1024;
const maxUsers = 20_000;
/** Printable ASCII without the colon that ends a name (RFC 7617 section 2). */
const userName = /^[\x20-\x39\x3b-\x7e]{1,255}$/;

/** User names and their password hashes. */
export class Users {
  private readonly hashes: ReadonlyMap<string, PasswordHash>;
  private readonly list: readonly PasswordHash[];
  private readonly key = randomBytes(32);

  /** @param hashes at least one */
  constructor(hashes: ReadonlyMap<string, PasswordHash>) {
    this.hashes = hashes;
    this.list = [...hashes.values()];
  }

  has(user: string): boolean {
    return this.hashes.has(user);
  }

  /**
   * Returns the hash to check a user's password against. An unknown user gets the hash of some other user, always the same
   * one: the time that the check takes reveals nothing, even if hashes differ in cost.
   */
  hashOf(user: string): PasswordHash | undefined {
    const at = createHmac('sha256', this.key).update(user).digest().readUInt32BE() % this.list.length;
    return this.hashes.get(user) ?? this.list[at];
  }
}

/** The schema of users: `file:PATH`, or hashes by user name. */
export const usersSchema = z
  .union([
    z.string().refine(text => fileOfSecret(text) !== undefined, 'expected file:PATH, or hashes by names'),
    z.record(z.string(), secret()),
  ])
  .transform((given, context) => {
    try {
      return new Users(typeof given === 'string' ? usersIn(fileOfSecret(given) ?? '') : usersOf(given));
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: describeError(thrown) });
      return z.NEVER;
    }
  });

function usersOf(given: Readonly<Record<string, string>>): Map<string, PasswordHash> {
  const users = new Map<string, PasswordHash>();
  for (const [name, hash] of Object.entries(given))
    add(users, name, hash, `the hash of ${JSON.stringify(name)}`);
  return atLeastOne(users, 'there is no user');
}

function usersIn(path: string): Map<string, PasswordHash> {
  const users = new Map<string, PasswordHash>();
  for (const [at, line] of textOf(path).split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    // Text after a second colon is a comment.
    const [name = '', hash = ''] = line.split(':');
    add(users, name, hash.trim(), `${path}:${at + 1}: the hash`);
  }
  return atLeastOne(users, `${path} has no user`);
}

function textOf(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new Error(
      `the users cannot be read: ${describeError(thrown)}; make ${path} a file that this user may read`,
    );
  }
  if (text.length > maxFileBytes) throw new Error(`${path} has over ${maxFileBytes} bytes`);
  return text;
}

function add(users: Map<string, PasswordHash>, name: string, hash: string, what: string): void {
  if (!userName.test(name))
    throw new Error(
      `${what}: its user name is invalid: use 1 to 255 characters of printable ASCII without a colon`,
    );
  if (users.has(name)) throw new Error(`${what}: the user ${JSON.stringify(name)} is listed twice`);
  try {
    users.set(name, readHash(hash));
  } catch (thrown) {
    throw new Error(`${what} ${describeError(thrown)}`);
  }
}

function atLeastOne(users: Map<string, PasswordHash>, problem: string): Map<string, PasswordHash> {
  if (users.size === 0) throw new Error(`${problem}: no user could sign in`);
  if (users.size > maxUsers) throw new Error(`there are over ${maxUsers} users`);
  return users;
}
