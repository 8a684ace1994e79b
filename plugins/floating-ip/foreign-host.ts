// Is a service address answered for by a host which is none of the cluster's? Asked for as RFC 5227 section 2.1.1 has it, and by a
// neighbour solicitation for IPv6.
import type { FloatingAddress } from './address.ts';
import { type CommandResult, run } from './command.ts';
import { solicitNeighbour } from './neighbour-solicitation.ts';

/** Somebody else who has an address. */
export interface ForeignHost {
  readonly ip: string;
  readonly mac: string;
}

/**
 * Asks the network for each address, and once more when somebody else answers: an announcement of an earlier holder may have
 * been under way. Resolves with the first who answers both times, within two seconds.
 */
export async function findForeignHost(
  addresses: readonly FloatingAddress[],
  interfaceName: string,
): Promise<ForeignHost | undefined> {
  const found = await Promise.all(addresses.map(async address => await askTwice(address, interfaceName)));
  return found.find(host => host !== undefined);
}

async function askTwice(address: FloatingAddress, interfaceName: string): Promise<ForeignHost | undefined> {
  for (let turn = 0; ; turn++) {
    const answer = await ask(address, interfaceName);
    const mac = /\[([0-9A-Fa-f:]{17})\]/.exec(answer?.output ?? '')?.[1];
    if (answer?.code !== 1 || mac === undefined) return undefined;
    if (turn > 0) return { ip: address.ip, mac: mac.toLowerCase() };
  }
}

/** Ends with the first answer: the code is 1 then. */
async function ask(
  { family, ip }: FloatingAddress,
  interfaceName: string,
): Promise<CommandResult | undefined> {
  if (family === 4) {
    return await run('arping', ['-D', '-c', '1', '-w', '1', '-I', interfaceName, ip], { ms: 3000 });
  }
  // The interface may be gone.
  return await solicitNeighbour(ip, interfaceName).catch(() => undefined);
}
