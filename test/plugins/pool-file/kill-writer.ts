// A process that changes servers, pools and routes as fast as it can and reports what was confirmed; a test kills it.
import { writeSync } from 'node:fs';
import { openJournal, putAll } from './journal-fixture.ts';

const [path = '', first = '1'] = process.argv.slice(2);
const { journal } = await openJournal(path);
writeSync(1, 'open\n');
let next = Number(first);
async function writeForEver(): Promise<never> {
  for (;;) {
    const number = next++;
    await journal.write(putAll(1 + (number % 50), number));
    writeSync(1, `${number}\n`);
  }
}
await Promise.all(Array.from({ length: 8 }, writeForEver));
