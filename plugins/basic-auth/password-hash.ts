// PasswordHash: the supported formats of password hashes, and what is wrong with one.

/** A parsed hash. `bcrypt` keeps its text, which its library parses. */
export type PasswordHash =
  | { readonly form: 'bcrypt'; readonly text: string }
  | {
      readonly form: 'scrypt';
      readonly cost: number;
      readonly blockSize: number;
      readonly parallelization: number;
      readonly salt: Uint8Array;
      readonly hash: Uint8Array;
    }
  | {
      readonly form: 'argon2id' | 'argon2i';
      /** KiB. */
      readonly memory: number;
      readonly passes: number;
      readonly parallelism: number;
      readonly salt: Uint8Array;
      readonly hash: Uint8Array;
    };

const bcrypt = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** PHC strings: https://github.com/P-H-C/phc-string-format */
const scrypt = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const argon2 =
  /^\$(argon2id?)\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** A check must not take seconds, or more memory than the machine has. */
const maxBcryptCost = 15;
const maxKib = 256 * 1024;

/** Parses a hash. Throws an Error that says what is wrong, without the hash itself. */
export function readHash(text: string): PasswordHash {
  const [, rounds] = bcrypt.exec(text) ?? [];
  if (rounds !== undefined) {
    if (Number(rounds) > maxBcryptCost)
      throw new Error(`has a cost of ${rounds}; use ${maxBcryptCost} at most`);
    if (Number(rounds) < 4) throw new Error('has a cost below 4, which bcrypt does not support');
    return { form: 'bcrypt', text };
  }
  return readScrypt(text) ?? readArgon2(text) ?? refuse(text);
}

function readScrypt(text: string): PasswordHash | undefined {
  const [, log = '', blockSize = '', parallelization = '', salt = '', hash = ''] = scrypt.exec(text) ?? [];
  if (hash === '') return undefined;
  const cost = 2 ** Number(log);
  checkMemory((128 * cost * Number(blockSize)) / 1024);
  if (Number(log) < 10 || Number(blockSize) < 1 || !isAmong(Number(parallelization), 1, 16))
    throw new Error('has parameters that are too weak or too strong: use ln=17,r=8,p=1');
  return {
    form: 'scrypt',
    cost,
    blockSize: Number(blockSize),
    parallelization: Number(parallelization),
    ...bytesOf(salt, hash),
  };
}

function readArgon2(text: string): PasswordHash | undefined {
  const [, form, memory = '', passes = '', parallelism = '', salt = '', hash = ''] = argon2.exec(text) ?? [];
  if (form !== 'argon2id' && form !== 'argon2i') return undefined;
  if (typeof process.getBuiltinModule('node:crypto').argon2Sync !== 'function')
    throw new Error(
      'is an argon2 hash, which needs Node 24.7 or newer: use bcrypt, as `htpasswd -nB NAME` prints it',
    );
  checkMemory(Number(memory));
  if (Number(memory) < 8 * Number(parallelism) || Number(passes) < 1 || !isAmong(Number(parallelism), 1, 16))
    throw new Error('has parameters that are too weak or too strong: use m=19456,t=2,p=1');
  return {
    form,
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    ...bytesOf(salt, hash),
  };
}

const isAmong = (value: number, least: number, most: number): boolean => value >= least && value <= most;

function checkMemory(kib: number): void {
  if (kib > maxKib)
    throw new Error(`needs ${Math.round(kib / 1024)} MB per check; at most ${maxKib / 1024} MB is allowed`);
}

function bytesOf(salt: string, hash: string): { salt: Uint8Array; hash: Uint8Array } {
  const bytes = { salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
  if (bytes.salt.length < 8) throw new Error('has a salt below 8 bytes');
  if (!isAmong(bytes.hash.length, 16, 64)) throw new Error('has a hash below 16 bytes, or over 64');
  return bytes;
}

function refuse(text: string): never {
  const known = /^(\$\w+\$|\{\w+\})/.exec(text)?.[1];
  const what =
    known === undefined
      ? 'is not a password hash'
      : `begins with ${known}, which is too weak or not supported`;
  throw new Error(`${what}: use bcrypt, as \`htpasswd -nB NAME\` prints it`);
}
