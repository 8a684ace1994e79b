// The thread that checks passwords, one at a time, off the event loop.
import { argon2Sync, scryptSync, timingSafeEqual } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';
import type { CheckAnswer, CheckQuestion } from './password-checker.ts';
import type { PasswordHash } from './password-hash.ts';

parentPort?.on('message', ({ password, hash }: CheckQuestion) => {
  const answer: CheckAnswer = { matches: matches(password, hash) };
  parentPort?.postMessage(answer);
});

function matches(password: string, hash: PasswordHash): boolean {
  if (hash.form === 'bcrypt') return compareSync(password, hash.text);
  if (hash.form === 'scrypt') {
    const { cost, blockSize, parallelization, salt } = hash;
    const maxmem = 256 * cost * blockSize;
    const made = scryptSync(password, salt, hash.hash.length, { cost, blockSize, parallelization, maxmem });
    return timingSafeEqual(made, hash.hash);
  }
  const { form, memory, passes, parallelism, salt } = hash;
  const made = argon2Sync(form, {
    message: password,
    nonce: salt,
    parallelism,
    tagLength: hash.hash.length,
    memory,
    passes,
  });
  return timingSafeEqual(made, hash.hash);
}
