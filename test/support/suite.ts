// The interface for test files: `const test = suite('name')`, then `test('behaviour', fn)`. It wraps uvu and
// closes every way in which a uvu test can pass without having run.
import { setImmediate, setTimeout } from 'node:timers';
import { inspect } from 'node:util';
import { suite as uvuSuite } from 'uvu';
import { defaultFileOptions, type FileOptions, printedBytes, record, type Skip } from './records.ts';

type Body = () => unknown;

interface Hook {
  (body: Body): void;
  each(body: Body): void;
}

/** Registers a test, named after the one behaviour that it shows. */
export interface Test {
  (behaviour: string, body: Body): void;
  /** Registers a test that is listed, with a reason, instead of being run. */
  skip(behaviour: string, reason: string, body: Body): void;
  before: Hook;
  after: Hook;
}

/**
 * `timeoutMs`, `alone` and `ownProcess` apply to the whole file. The runner reads them from the source before it starts the
 * file, so write them as literals in the call of `suite`.
 */
export interface SuiteOptions extends Partial<FileOptions> {
  /** The time limit of each test and each hook of this suite, ms; default 60 000. */
  readonly testTimeoutMs?: number;
}

declare global {
  /** uvu's queue of suites, one array per file; the entry creates it before uvu is loaded. */
  var UVU_QUEUE: (() => Promise<unknown>)[][];
}

interface Running {
  readonly name: string;
  fail(error: unknown): void;
}

let state: 'closed' | 'registering' | 'running' = 'closed';
let running: Running | undefined;
let fileOptions: FileOptions = defaultFileOptions;
let runs: (() => Promise<void>)[] = [];
let tests: string[] = [];
let skips: Skip[] = [];

/**
 * Opens a named group of tests, which the file's process runs after the import; there is no `run` to call.
 * @throws Error if tests are already running, or if the runner did not start the file
 */
export function suite(name: string, options: SuiteOptions = {}): Test {
  requireRegistering(`suite ${name}`);
  const inner = uvuSuite(name);
  const limitMs = options.testTimeoutMs ?? 60_000;
  fileOptions = {
    timeoutMs: options.timeoutMs ?? fileOptions.timeoutMs,
    alone: options.alone ?? fileOptions.alone,
    ownProcess: options.ownProcess ?? fileOptions.ownProcess,
  };
  let registered = 0;
  runs.push(async () => {
    if (registered === 0) record({ type: 'failed', test: name, error: 'the suite registers no test' });
    inner.run();
    await globalThis.UVU_QUEUE[0]?.pop()?.();
  });

  const label = (behaviour: string): string => {
    requireRegistering(`test ${behaviour}`);
    const full = `${name}: ${behaviour}`;
    if (behaviour.trim() === '') throw new Error(`a test of suite ${name} has no name`);
    if (tests.includes(full) || skips.some(skip => skip.test === full)) {
      throw new Error(`two tests are named ${JSON.stringify(full)}`);
    }
    registered++;
    return full;
  };
  const hook = (kind: string, register: (body: () => Promise<void>) => void) => (body: Body) => {
    requireRegistering(kind);
    requireBody(kind, body);
    register(() => runHook(`${name}: ${kind}`, body, limitMs));
  };
  const test = (behaviour: string, body: Body): void => {
    const full = label(behaviour);
    requireBody(full, body);
    tests.push(full);
    inner(full, () => runTest(full, body, limitMs));
  };
  return Object.assign(test, {
    skip(behaviour: string, reason: string, body: Body): void {
      const full = label(behaviour);
      requireBody(full, body);
      if (typeof reason !== 'string' || reason.trim() === '')
        throw new Error(`${full}: a skip needs a reason`);
      skips.push({ test: full, reason });
    },
    before: Object.assign(hook('before', inner.before), { each: hook('before.each', inner.before.each) }),
    after: Object.assign(hook('after', inner.after), { each: hook('after.each', inner.after.each) }),
  });
}

/** Allows calls of `suite` until `runSuites`, and forgets those of the file before. Only for the entry of the process. */
export function openRegistration(): void {
  state = 'registering';
  fileOptions = defaultFileOptions;
  runs = [];
  tests = [];
  skips = [];
}

/** Ends registration, reports the tests to the runner, and runs them; each outcome is a record. */
export async function runSuites(): Promise<void> {
  state = 'running';
  record({ type: 'registered', tests, skips, options: fileOptions });
  for (const run of runs) {
    try {
      await run();
    } catch {
      // A hook threw, which is on record; the suites after it still run.
    }
  }
}

/** Fails the running test, or the file if none runs, for an uncaught exception or an unhandled rejection. */
export function failStray(thrown: unknown, origin: string): void {
  const text = `${origin}: ${describe(thrown)}`;
  if (running === undefined) {
    record({ type: 'failed', test: '(outside every test)', error: text });
  } else {
    running.fail(Object.assign(new Error(text), { stack: text }));
  }
}

/** Returns a text for any thrown value: the difference of an assertion, and the stack without the runner's part. */
export function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `a value that is no Error was thrown: ${inspect(thrown)}`;
  const ofRunner = /^ +at .*(?:node:internal|node_modules\/uvu\/|test\/support\/(?:suite|entry)\.ts)/;
  const trace = (text: string): string =>
    text
      .split('\n')
      .filter(line => !ofRunner.test(line))
      .join('\n');
  if (!('operator' in thrown && 'details' in thrown)) return trace(inspect(thrown));
  const difference = typeof thrown.details === 'string' ? `\n${thrown.details.trimEnd()}` : '';
  return `${trace(thrown.stack ?? thrown.message)}${difference}`;
}

async function runTest(name: string, body: Body, limitMs: number): Promise<void> {
  await runHook(name, body, limitMs);
  record({ type: 'passed', test: name });
}

async function runHook(name: string, body: Body, limitMs: number): Promise<void> {
  record({ type: 'started', test: name });
  const from = printedBytes();
  try {
    await settle(name, body, limitMs);
  } catch (thrown) {
    record({ type: 'failed', test: name, error: describe(thrown), output: { from, to: printedBytes() } });
    // Not `thrown`: uvu inspects the value, and if that fails it drops the remaining tests.
    throw new Error(`${name} failed`);
  }
}

async function settle(name: string, body: Body, limitMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`did not end within ${limitMs} ms`)), limitMs);
  running = { name, fail: reject };
  // A rejection left behind by the body is reported one turn later: it has to fail this test, not the next.
  const run = async (): Promise<void> => {
    await body();
    await new Promise(done => setImmediate(done));
  };
  run().then(resolve, reject);
  try {
    await promise;
    if (process.exitCode !== undefined) throw new Error(`process.exitCode was set to ${process.exitCode}`);
  } finally {
    process.exitCode = undefined;
    clearTimeout(timer);
    running = undefined;
  }
}

function requireRegistering(what: string): void {
  if (state === 'registering') return;
  const why = state === 'closed' ? 'run test files with `npm test -- FILE`' : 'tests are already running';
  throw new Error(`${what} cannot be registered: ${why}`);
}

function requireBody(what: string, body: unknown): void {
  if (typeof body !== 'function') throw new Error(`${what}: expected a function, got ${inspect(body)}`);
}
