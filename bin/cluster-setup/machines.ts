// The machines of a cluster as they are typed, `a=10.0.0.1,b=10.0.0.2,c=10.0.0.3`: each runs a member of etcd, and all but
// one run Weldr.
import { isIP } from 'node:net';
import { usageError } from '../command-error.ts';

/** One machine. */
export interface Machine {
  /** Its name, in etcd and among the Weldrs. */
  readonly name: string;
  /** Its own address, by which the others reach it. */
  readonly ip: string;
  /** Where its etcd listens for clients; 2379 unless said otherwise. Other members use the port above it. */
  readonly port: number;
}

const example = 'a=10.0.0.1,b=10.0.0.2,c=10.0.0.3';
const entry =
  /^(?<name>[A-Za-z0-9][A-Za-z0-9_-]{0,31})=(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+))(?::(?<port>\d{1,5}))?$/;

/**
 * Parses `NAME=IP[:PORT],…`, an IPv6 address in brackets. Throws a usage error that names what is wrong: an entry
 * that cannot be parsed, a duplicate name or address, a number of machines that cannot survive the loss of one.
 */
export function readMachines(text: string): readonly Machine[] {
  const machines = text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(readMachine);
  for (const [what, of] of [
    ['name', (machine: Machine) => machine.name],
    ['address', (machine: Machine) => `${machine.ip} port ${machine.port}`],
  ] as const) {
    const twice = machines.map(of).find((value, index, all) => all.indexOf(value) !== index);
    if (twice !== undefined)
      throw usageError(`the ${what} ${twice} is given twice; each machine needs its own`);
  }
  if (machines.length < 3) {
    throw usageError(
      `etcd needs three machines to survive the loss of one, such as ${example}; got ${machines.length}; one of them may run only etcd`,
    );
  }
  if (machines.length % 2 === 0) {
    throw usageError(
      `${machines.length} machines survive no more losses than ${machines.length - 1}, and stop as soon as half of them are away; name an odd number`,
    );
  }
  if (machines.length > 7) throw usageError(`etcd recommends at most seven members; got ${machines.length}`);
  return machines;
}

function readMachine(text: string): Machine {
  const { name = '', v4, v6, port = '2379' } = entry.exec(text)?.groups ?? {};
  const ip = v4 ?? v6 ?? '';
  const [typed = '', address = ''] = text.split('=');
  if (name === '' && isIP(address) === 6) {
    throw usageError(`an IPv6 address needs brackets: ${typed}=[${address}]`);
  }
  if (name === '') {
    throw usageError(
      `expected NAME=IP, several with commas, such as ${example}; got ${JSON.stringify(text)}`,
    );
  }
  if (isIP(ip) !== (v6 === undefined ? 4 : 6)) {
    throw usageError(
      `${name}: ${JSON.stringify(ip)} is not an IP address; name the machine's own, such as 10.0.0.1 or [fd00::1]: names may move, and etcd listens on addresses`,
    );
  }
  if (Number(port) < 1 || Number(port) > 65_534) {
    throw usageError(
      `${name}: expected a port from 1 to 65534 (other members use the next one), got ${port}`,
    );
  }
  return { name, ip, port: Number(port) };
}

/** Returns the machines with these names. Throws a usage error for an unknown name. */
export function pick(machines: readonly Machine[], names: readonly string[]): readonly Machine[] {
  return names.map(name => {
    const found = machines.find(machine => machine.name === name);
    if (found === undefined) {
      const known = machines.map(machine => machine.name).join(', ');
      throw usageError(`there is no machine ${JSON.stringify(name)}; the machines are ${known}`);
    }
    return found;
  });
}

/** Returns the URL for clients of its etcd, such as `http://10.0.0.1:2379`. */
export function clientUrl({ ip, port }: Machine): string {
  return `http://${bracketed(ip)}:${port}`;
}

/** Returns the URL for other members. */
export function peerUrl({ ip, port }: Machine): string {
  return `http://${bracketed(ip)}:${port + 1}`;
}

function bracketed(ip: string): string {
  return isIP(ip) === 6 ? `[${ip}]` : ip;
}
