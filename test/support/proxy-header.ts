// PROXY headers as proxies in front send them, made independently of Weldr's code.
import { isIPv4 } from 'node:net';

/** The connection that a header describes. */
export interface HeaderWish {
  readonly from?: string;
  readonly fromPort?: number;
  readonly to?: string;
  readonly toPort?: number;
}

const signature = '\r\n\r\n\0\r\nQUIT\n';

/** Returns a line of version 1. */
export function lineV1({
  from = '203.0.113.9',
  fromPort = 4711,
  to = '198.51.100.1',
  toPort = 443,
}: HeaderWish = {}): string {
  return `PROXY TCP${isIPv4(from) ? 4 : 6} ${from} ${to} ${fromPort} ${toPort}\r\n`;
}

/** Returns any header of version 2; `rest`: everything after its length. */
export function rawV2(rest: Buffer, { command = 0x21, family = 0x11, length = rest.length } = {}): Buffer {
  const fixed = Buffer.from(`${signature}\0\0\0\0`, 'latin1');
  fixed.writeUInt8(command, 12);
  fixed.writeUInt8(family, 13);
  fixed.writeUInt16BE(length, 14);
  return Buffer.concat([fixed, rest]);
}

/** Returns a header of version 2 with addresses, and what follows them. */
export function headerV2(
  { from = '203.0.113.9', fromPort = 4711, to = '198.51.100.1', toPort = 443 }: HeaderWish = {},
  ...tlvs: Buffer[]
): Buffer {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(fromPort, 0);
  ports.writeUInt16BE(toPort, 2);
  const rest = Buffer.concat([addressBytes(from), addressBytes(to), ports, ...tlvs]);
  return rawV2(rest, { family: isIPv4(from) ? 0x11 : 0x21 });
}

/** A header for the proxy's own connection, such as a health check. */
export const localV2 = rawV2(Buffer.alloc(0), { command: 0x20, family: 0 });

export function tlv(type: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const start = Buffer.from([type, 0, 0]);
  start.writeUInt16BE(bytes.length, 1);
  return Buffer.concat([start, bytes]);
}

/** Returns the TLV for TLS; `client`: the bits of the client's TLS state. */
export function tlsTlv(client: number, verify: number, ...within: Buffer[]): Buffer {
  const start = Buffer.alloc(5);
  start.writeUInt8(client, 0);
  start.writeUInt32BE(verify, 1);
  return tlv(0x20, Buffer.concat([start, ...within]));
}

/** Returns a header with its checksum as the last TLV, computed bit by bit. */
export function withChecksum(header: Buffer): Buffer {
  const whole = Buffer.concat([header, tlv(0x03, Buffer.alloc(4))]);
  whole.writeUInt16BE(whole.length - 16, 14);
  let state = ~0;
  for (const byte of whole) {
    state ^= byte;
    for (let bit = 0; bit < 8; bit++) state = (state >>> 1) ^ (state & 1 ? 0x82f63b78 : 0);
  }
  whole.writeUInt32BE(~state >>> 0, whole.length - 4);
  return whole;
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [left = '', right] = address.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const [a, b] = [groups(left), groups(right)];
  const all = [...a, ...Array(8 - a.length - b.length).fill('0'), ...b];
  return Buffer.from(all.map(group => group.padStart(4, '0')).join(''), 'hex');
}
