// ForeignHost: finds a host outside the cluster that has a service address, by an ARP probe (RFC 5227 section 2.1.1), or a neighbour
// solicitation for IPv6.
import type { FloatingAddress } from './address.ts';
import { type CommandResult, run } from './command.ts';
import { solicitNeighbour } from './neighbour-solicitation.ts';

/** Another host that has an address. */
export interface ForeignHost {
  readonly ip: string;
  readonly mac: string;
}

/**
 * Asks the network for each address, and once more if another host answers: an announcement of an earlier holder may have been under
 * way. Resolves, within two seconds, with the first host that answers both times.
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

/** Asks once; the code of the result is 1 when a host has answered. */
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
