// FloatingAddress: a service address with its prefix length, such as `10.0.0.100/24`.
import { isIP } from 'node:net';

/** A service address that moves from node to node. */
export interface FloatingAddress {
  readonly ip: string;
  readonly prefixLength: number;
  readonly family: 4 | 6;
  /** As `ip` takes it, such as `10.0.0.100/24`. */
  readonly text: string;
}

/** Returns the parts of an address such as `10.0.0.100/24` or `fd00::100/64`; undefined: the text is not one. */
export function parseAddress(text: string): FloatingAddress | undefined {
  const match = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(text);
  const ip = match?.[1]?.toLowerCase() ?? '';
  const family = isIP(ip);
  const prefixLength = Number(match?.[2]);
  if (family !== 4 && family !== 6) return undefined;
  if (prefixLength < 1 || prefixLength > (family === 4 ? 32 : 128)) return undefined;
  return { ip, prefixLength, family, text: `${ip}/${prefixLength}` };
}
