// A process that changes servers in etcd as fast as it can and reports what was confirmed; a test kills it at any moment.
import { writeSync } from 'node:fs';
import { server, storeNode } from '../../cluster/etcd-node.ts';
import { until } from '../../support/until.ts';

const [host = '', first = '1'] = process.argv.slice(2);
const { pools, store } = await storeNode({ hosts: [host] });
await until('following etcd', () => !store.stale);
let next = Number(first);
async function writeForEver(): Promise<never> {
  for (;;) {
    const number = next++;
    // Ten writers on fifty servers: no two write one server at once, so what is confirmed last is what is stored.
    const url = `http://10.0.0.${1 + (number % 50)}:80`;
    await pools.add('default', server(url, { labels: { number: String(number) } }));
    writeSync(1, `${number}\n`);
  }
}
writeSync(1, 'open\n');
await Promise.all(Array.from({ length: 10 }, writeForEver));
