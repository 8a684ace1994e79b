// Bodies pass both ways with flat memory; `bodies.slow.test.ts` has larger ones.
import { suite } from '../support/suite.ts';
import { bodyTests } from './body-tests.ts';

const test = suite('bodies', { timeoutMs: 240_000, testTimeoutMs: 120_000 });

bodyTests(test, 384);
