// The hosts file, /etc/hosts: names and their addresses (hosts(5)).
import { isIP } from 'node:net';

/** Addresses by lower-case name, in the order of the file. */
export type HostsFile = ReadonlyMap<string, readonly string[]>;

/** Parses the text of a hosts file; lines that do not begin with an address are ignored. */
export function parseHosts(text: string): HostsFile {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      const known = hosts.get(key);
      if (known === undefined) hosts.set(key, [address]);
      else if (!known.includes(address)) known.push(address);
    }
  }
  return hosts;
}
