// Bodies of 1 GiB pass both ways with flat memory.
import { suite } from '../support/suite.ts';
import { bodyTests } from './body-tests.ts';

const test = suite('larger bodies', { timeoutMs: 240_000, testTimeoutMs: 120_000 });

bodyTests(test, 1_024);
