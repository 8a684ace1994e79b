// The model of the hand-over, searched briefly: never two holders, never none for long, and each precaution is needed.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { needed, sound } from './hand-over/precautions.ts';
import { search } from './hand-over/search.ts';

const test = suite('hand-over model');

for (const [setting, { p, a }] of Object.entries(sound)) {
  test(`with ${setting} no schedule has two holders, or none for long`, () => {
    const found = search(p, a, 40_000);
    assert.equal([...found.twoHolders, ...found.noHolder], []);
    if (!a.split) assert.ok(found.handOvers > 10, 'the address moved often enough');
  });
}

for (const { name, p, a, seed, leadsTo } of needed) {
  test(`without ${name} there is a schedule with ${leadsTo}`, () => {
    const { twoHolders, noHolder } = search(p, a, 1, seed);
    assert.ok((leadsTo === 'no holder' ? noHolder : twoHolders).length > 0);
  });
}
