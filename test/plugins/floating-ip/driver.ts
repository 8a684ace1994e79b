// Runs an AddressHolder inside a namespace for a test: reads orders as lines of JSON, writes a line for each answer.
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { systemClock } from '../../../core/time/clock.ts';
import { parseAddress } from '../../../plugins/floating-ip/address.ts';
import { AddressHolder } from '../../../plugins/floating-ip/address-holder.ts';
import { checkPrerequisites } from '../../../plugins/floating-ip/prerequisites.ts';

const [interfaceName = '', ...texts] = process.argv.slice(2);
const addresses = texts.map(text => parseAddress(text)).filter(address => address !== undefined);
const log = pino<never>({}, { write: (line: string) => void process.stderr.write(line) });
const holder = new AddressHolder({ addresses, interface: interfaceName, log, clock: systemClock });

const orders: Record<string, (argument: number) => Promise<unknown>> = {
  /** `argument`: the time for which no other node may act, ms. */
  hold: async argument => await holder.hold(systemClock.monotonic() + argument),
  release: async () => await holder.release(),
  check: async () => {
    const refusal = await checkPrerequisites(addresses, interfaceName, holder, log);
    if (refusal !== undefined) throw new Error(refusal.text);
  },
};

createInterface({ input: process.stdin }).on('line', async line => {
  const { order, argument } = JSON.parse(line);
  try {
    await orders[order]?.(argument);
    console.log(JSON.stringify({ done: order }));
  } catch (thrown) {
    console.log(JSON.stringify({ done: order, error: String(thrown) }));
  }
});
