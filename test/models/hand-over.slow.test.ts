// The model of the hand-over, searched for ten million steps with new seeds each time.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { sound } from './hand-over/precautions.ts';
import { search } from './hand-over/search.ts';

const test = suite('hand-over model, ten million steps', { timeoutMs: 600_000, testTimeoutMs: 120_000 });

const steps = 10_000_000 / Object.keys(sound).length;
const seed = 10_000 + Math.floor(Math.random() * 1_000_000);

for (const [setting, { p, a }] of Object.entries(sound)) {
  test(`with ${setting} no schedule has two holders, or none for long`, () => {
    const found = search(p, a, steps, seed);
    assert.equal([...found.twoHolders, ...found.noHolder], []);
  });
}
