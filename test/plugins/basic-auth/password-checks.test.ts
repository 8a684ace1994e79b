// PasswordChecks: the queue, which clients may wait in it, and what is remembered.
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { settle } from '../../../core/testing.ts';
import type { CheckQuestion, PasswordChecker } from '../../../plugins/basic-auth/password-checker.ts';
import { PasswordChecks, type Verdict } from '../../../plugins/basic-auth/password-checks.ts';
import type { PasswordHash } from '../../../plugins/basic-auth/password-hash.ts';
import { Users } from '../../../plugins/basic-auth/users.ts';
import { suite } from '../../support/suite.ts';

const test = suite('password checks');

/** The hash of a password for the checker below. */
const hashOf = (password: string): PasswordHash => ({ form: 'bcrypt', text: `hash of ${password}` });

/** A checker that answers when a test says so. */
class SlowChecker implements PasswordChecker {
  readonly asked: CheckQuestion[] = [];
  private pending: PromiseWithResolvers<boolean> | undefined;

  matches(question: CheckQuestion): Promise<boolean> {
    assert.is(this.pending, undefined, 'it gets one question at a time');
    this.asked.push(question);
    this.pending = Promise.withResolvers();
    return this.pending.promise;
  }

  async answer(): Promise<void> {
    const question = this.asked.at(-1);
    const { pending } = this;
    this.pending = undefined;
    pending?.resolve(JSON.stringify(question?.hash) === JSON.stringify(hashOf(question?.password ?? '')));
    await settle();
  }

  async fail(): Promise<void> {
    const { pending } = this;
    this.pending = undefined;
    pending?.reject(new Error('no thread'));
    await settle();
  }

  close(): void {}
}

function checksWith(options: { queue?: number; remember?: number } = {}) {
  const users = new Users(
    new Map([
      ['ada', hashOf('lovelace')],
      ['alan', hashOf('turing')],
    ]),
  );
  const checker = new SlowChecker();
  const clock = new FakeClock();
  const failures: unknown[] = [];
  const checks = new PasswordChecks({
    users,
    checker,
    clock,
    remember: 60_000,
    queue: 10,
    failed: error => void failures.push(error),
    ...options,
  });
  const verdicts: Verdict[] = [];
  const ask = (user: string, password: string, client = 'a') =>
    checks.check({ user, password }, client, verdict => void verdicts.push(verdict));
  return { checker, clock, failures, verdicts, ask };
}

test('checks new passwords, and remembers right ones for a while', async () => {
  const { ask, checker, clock, verdicts } = checksWith();
  ask('ada', 'lovelace');
  assert.equal(verdicts, []);
  await checker.answer();
  ask('ada', 'lovelace');
  assert.equal([verdicts, checker.asked.length], [['right', 'right'], 1]);
  clock.advance(59_999);
  ask('ada', 'lovelace');
  clock.advance(1);
  ask('ada', 'lovelace');
  assert.equal([verdicts.length, checker.asked.length], [3, 2]);
});

test('remembers no wrong password, and nothing at all when remembering is turned off', async () => {
  const { ask, checker, verdicts } = checksWith();
  for (let n = 0; n < 2; n++) {
    ask('ada', 'turing');
    await checker.answer();
  }
  assert.equal([verdicts, checker.asked.length], [['wrong', 'wrong'], 2]);
  const forgetful = checksWith({ remember: 0 });
  for (let n = 0; n < 2; n++) {
    forgetful.ask('ada', 'lovelace');
    await forgetful.checker.answer();
  }
  assert.equal([forgetful.verdicts, forgetful.checker.asked.length], [['right', 'right'], 2]);
});

test('does not take a password for that of another user, nor a colon for the end of a name', async () => {
  const { ask, checker, verdicts } = checksWith();
  ask('ada', 'lovelace');
  await checker.answer();
  for (const [user, password] of [
    ['alan', 'lovelace'],
    ['adal', 'ovelace'],
    ['ada', 'lovelacE'],
  ] as const) {
    ask(user, password);
    await checker.answer();
  }
  assert.equal(verdicts, ['right', 'wrong', 'wrong', 'wrong']);
});

test('checks an unknown name against the same hash each time, and never admits it', async () => {
  const { ask, checker, verdicts } = checksWith();
  for (const name of ['eve', 'mallory', 'trudy', 'oscar', 'eve', 'mallory', 'trudy', 'oscar']) {
    // Whichever of the two hashes it is.
    for (const password of ['lovelace', 'turing']) {
      ask(name, password);
      await checker.answer();
    }
  }
  assert.equal(new Set(verdicts), new Set(['wrong']));
  const hashes = checker.asked.map(({ hash }) => hash);
  assert.equal(hashes.slice(0, 8), hashes.slice(8));
});

test('makes one check for equal credentials at the same time', async () => {
  const { ask, checker, verdicts } = checksWith();
  for (let n = 0; n < 20; n++) ask('ada', 'lovelace', `client ${n}`);
  await checker.answer();
  assert.equal([verdicts.length, new Set(verdicts), checker.asked.length], [20, new Set(['right']), 1]);
});

test('lets four checks of a client wait, and lets others past', async () => {
  const { ask, checker, verdicts } = checksWith();
  for (let n = 0; n < 6; n++) ask('ada', `guess ${n}`, 'guesser');
  assert.equal(verdicts, ['crowding', 'crowding']);
  ask('ada', 'lovelace', 'ada');
  for (let n = 0; n < 5; n++) await checker.answer();
  assert.equal(verdicts, ['crowding', 'crowding', 'wrong', 'wrong', 'wrong', 'wrong', 'right']);
  ask('ada', 'guess 7', 'guesser');
  assert.is(checker.asked.length, 6);
});

test('bounds how many wait', async () => {
  const { ask, checker, verdicts } = checksWith({ queue: 2 });
  for (let n = 0; n < 5; n++) ask('ada', `guess ${n}`, `client ${n}`);
  assert.equal(verdicts, ['busy', 'busy']);
  for (let n = 0; n < 3; n++) await checker.answer();
  assert.equal(verdicts.slice(2), ['wrong', 'wrong', 'wrong']);
});

test('checks nothing for clients that have left, unless others wait for the same', async () => {
  const { ask, checker, verdicts } = checksWith({ queue: 2 });
  ask('ada', 'running');
  const leave = ask('ada', 'left', 'b');
  const one = ask('ada', 'lovelace', 'c');
  ask('ada', 'lovelace', 'd');
  leave?.();
  one?.();
  ask('ada', 'in its place', 'e');
  for (let n = 0; n < 3; n++) await checker.answer();
  assert.equal(
    checker.asked.map(({ password }) => password),
    ['running', 'lovelace', 'in its place'],
  );
  assert.equal(verdicts, ['wrong', 'right', 'wrong']);
});

test('reports a failed check, and continues with the next', async () => {
  const { ask, checker, failures, verdicts } = checksWith();
  ask('ada', 'lovelace');
  ask('alan', 'turing');
  await checker.fail();
  await checker.answer();
  assert.equal([verdicts, failures.length], [['failed', 'right'], 1]);
});
