// Field sections that arrive slowly: read again only a few times, however many pieces they arrive in.
import * as assert from 'uvu/assert';
import { worthReading } from '../../../../core/http/h1/empty-line.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('worthReading');

for (const [name, section] of Object.entries({
  'a long line': `X: ${'y'.repeat(32_000)}`,
  'many lines': 'X: y\r\n'.repeat(5_000),
})) {
  test(`a section of ${name} that arrives byte by byte is read only a few times`, () => {
    let reads = 0;
    let seen = 0;
    const bytes = Buffer.from(section);
    for (let length = 1; length <= bytes.length; length++) {
      if (!worthReading(bytes.subarray(0, length), seen)) continue;
      reads++;
      seen = length;
    }
    assert.ok(reads <= 16, `${reads} times`);
  });
}

for (const end of ['\r\n\r\n', '\n\n', '\n\r\n']) {
  test(`its end is noticed at once, wherever it is split: ${JSON.stringify(end)}`, () => {
    const section = `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(1_000)}${end}`;
    for (let seen = section.length - end.length; seen < section.length; seen++) {
      assert.ok(worthReading(section, seen), `${seen}`);
      assert.ok(worthReading(Buffer.from(section), seen), `${seen}`);
    }
  });
}
