// The model of the hand-over, searched briefly: never two holders, never nobody for ever, and each precaution is needed.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { needed, sound } from './hand-over/precautions.ts';
import { search } from './hand-over/search.ts';

const test = suite('hand-over model');

for (const [setting, { p, a }] of Object.entries(sound)) {
  test(`with ${setting} no schedule has two holders, and none nobody`, () => {
    const found = search(p, a, 40_000);
    assert.equal([...found.twoHolders, ...found.nobody], []);
    if (!a.split) assert.ok(found.handOvers > 10, 'it was tried often enough');
  });
}

for (const { name, p, a, seed, leadsTo } of needed) {
  test(`without ${name} there is a schedule with ${leadsTo}`, () => {
    const { twoHolders, nobody } = search(p, a, 1, seed);
    assert.ok((leadsTo === 'nobody' ? nobody : twoHolders).length > 0);
  });
}
