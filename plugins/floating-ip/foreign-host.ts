// Is a service address answered for by a host which is none of the cluster's? Asked for as RFC 5227 section 2.1.1 has it.
import type { FloatingAddress } from './address.ts';
import { run } from './command.ts';

/** Somebody else who has an address. */
export interface ForeignHost {
  readonly ip: string;
  readonly mac: string;
}

/**
 * Asks the network for each IPv4 address, and once more when somebody else answers: an announcement of an earlier holder may have
 * been under way. Resolves with the first who answers both times, within two seconds.
 */
export async function findForeignHost(
  addresses: readonly FloatingAddress[],
  interfaceName: string,
): Promise<ForeignHost | undefined> {
  const four = addresses.filter(({ family }) => family === 4);
  const found = await Promise.all(four.map(async ({ ip }) => await ask(ip, interfaceName)));
  return found.find(host => host !== undefined);
}

async function ask(ip: string, interfaceName: string): Promise<ForeignHost | undefined> {
  for (let turn = 0; ; turn++) {
    // Ends with the first answer.
    const { code, output } = await run('arping', ['-D', '-c', '1', '-w', '1', '-I', interfaceName, ip], {
      ms: 3000,
    });
    const mac = /\[([0-9A-Fa-f:]{17})\]/.exec(output)?.[1];
    if (code !== 1 || mac === undefined) return undefined;
    if (turn > 0) return { ip, mac: mac.toLowerCase() };
  }
}
