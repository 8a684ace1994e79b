// A manager with a HolderClient for a test, inside a namespace: reads orders as lines of JSON, and writes their results.
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { systemClock } from '../../../core/time/clock.ts';
import { parseAddress } from '../../../plugins/floating-ip/address.ts';
import { HolderClient } from '../../../plugins/floating-ip/holder-client.ts';

const [interfaceName = '', origin = '', ...texts] = process.argv.slice(2);
const addresses = texts.map(text => parseAddress(text)).filter(address => address !== undefined);
const log = pino<never>({}, { write: (line: string) => void process.stderr.write(line) });
const client = new HolderClient({ addresses, interface: interfaceName, log, clock: systemClock });
const say = (line: object) => console.log(JSON.stringify(line));
client.observer = { held: held => say({ held }), complaint: complaint => say({ complaint }) };
// The client does not keep this process alive.
setInterval(() => {}, 1000);
await client.start();
say({ ready: client.need.ms });

let renewals: NodeJS.Timeout | undefined;
const orders: Record<string, (argument: string) => Promise<unknown>> = {
  /** Renews every 150 ms, as an election with a lease of 1 s does. */
  async lead(session) {
    const renew = async () => {
      const asked = performance.now();
      const surrender = { origins: [origin], request: { path: '/end', body: JSON.stringify({ session }) } };
      await client.hold({ leading: true, leader: 'it', until: asked + 1089, asked, session, surrender });
      if (client.objection !== undefined) say({ objection: client.objection });
    };
    clearInterval(renewals);
    renewals = setInterval(renew, 150);
    await renew();
  },
  async release() {
    clearInterval(renewals);
    await client.release();
  },
  end: async () => await client.end(),
};

createInterface({ input: process.stdin }).on('line', async line => {
  const { order, argument } = JSON.parse(line);
  await orders[order]?.(argument);
  say({ done: order });
});
