// PROXY header: the first bytes of a proxy's connection, which say who the client is
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, versions 1 and 2).
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { signature, tlvType } from '../upstream/proxy-format.ts';
import { hasRightChecksum } from './proxy-checksum.ts';
import { readTlvs, type TlvFacts } from './proxy-tlvs.ts';

/** Bytes of the longest version 1 line, including its CR LF. */
const longestLine = 107;
/** Bytes of a version 2 header up to and including its length field. */
const fixedLength = 16;
/** The most bytes that version 2 may announce after them: some 20 times what proxies send. */
const longestRest = 4096;

const linePrefix = Buffer.from('PROXY ', 'latin1');
const CRLF = '\r\n';

/** Both ends of the connection between client and proxy. IPv4-mapped IPv6 addresses are given as IPv4. */
export interface ProxiedEnds {
  readonly ip: string;
  readonly port: number;
  readonly localIp: string;
  readonly localPort: number;
}

/** A complete header. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** Its length in bytes; what follows comes from the client. */
  readonly length: number;
  /** Undefined if the connection's own addresses count (LOCAL, UNKNOWN, or a family without addresses). */
  readonly ends: ProxiedEnds | undefined;
  /** What version 2 says besides addresses. */
  readonly tlvs: TlvFacts | undefined;
}

/** Says why bytes are not a valid header. */
export class ProxyHeaderError extends Error {}

/**
 * Reads the header at the start of `bytes`. If it is incomplete, returns how many bytes are needed before it is worth reading
 * again. Throws a {@link ProxyHeaderError} at the first byte that cannot be right.
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | number {
  if (isBeginOf(signature, bytes)) return readBinary(bytes);
  if (isBeginOf(linePrefix, bytes)) return readLine(bytes);
  throw new ProxyHeaderError('there is no PROXY header');
}

function isBeginOf(text: Buffer, bytes: Buffer): boolean {
  const both = Math.min(text.length, bytes.length);
  return text.compare(bytes, 0, both, 0, both) === 0;
}

// --- version 1 -------------------------------------------------------------------------------------------------

function readLine(bytes: Buffer): ProxyHeader | number {
  const seen = bytes.toString('latin1', 0, longestLine);
  const end = seen.search(/[\r\n]/);
  const ending = end < 0 ? '' : seen.slice(end, end + CRLF.length);
  if (!CRLF.startsWith(ending) || (ending !== CRLF && seen.length === longestLine)) {
    throw new ProxyHeaderError(`a PROXY line does not end in CR LF within ${longestLine} bytes`);
  }
  if (ending !== CRLF) return bytes.length + 1;
  return { version: 1, length: end + CRLF.length, ends: endsOf(seen.slice(0, end)), tlvs: undefined };
}

function endsOf(line: string): ProxiedEnds | undefined {
  // What follows UNKNOWN must be ignored.
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return undefined;
  const [, family, source = '', destination = '', port = '', localPort = ''] =
    /^PROXY TCP([46]) ([^ ]+) ([^ ]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})$/.exec(line) ?? [];
  const isAddress = family === '4' ? isIPv4 : isPlainIPv6;
  if (!isAddress(source) || !isAddress(destination) || Number(port) > 65_535 || Number(localPort) > 65_535) {
    throw new ProxyHeaderError(`a malformed PROXY line: ${JSON.stringify(line)}`);
  }
  const written = family === '4' ? (text: string) => text : usualIPv6;
  return {
    ip: written(source),
    port: Number(port),
    localIp: written(destination),
    localPort: Number(localPort),
  };
}

/** Returns whether it is an IPv6 address without a zone. A zone would name an interface of another machine. */
const isPlainIPv6 = (text: string): boolean => isIPv6(text) && !text.includes('%');

/** Returns the address in the form that sockets use. */
function usualIPv6(address: string): string {
  const text = new SocketAddress({ address, family: 'ipv6' }).address;
  return text.startsWith('::ffff:') && text.includes('.') ? text.slice(7) : text;
}

// --- version 2 -------------------------------------------------------------------------------------------------

/** Bytes of both addresses with their ports, by family. */
const addressLengths = [0, 12, 36, 216];
const local = 0x20;
const proxied = 0x21;
const stream = 1;

function readBinary(bytes: Buffer): ProxyHeader | number {
  if (bytes.length < fixedLength) return fixedLength;
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13) >> 4;
  const transport = bytes.readUInt8(13) & 0xf;
  const rest = bytes.readUInt16BE(14);
  const length = fixedLength + rest;
  if (command !== local && command !== proxied) {
    throw new ProxyHeaderError(`version and command 0x${command.toString(16)} are unknown`);
  }
  if (rest > longestRest) {
    throw new ProxyHeaderError(
      `a PROXY header of ${length} bytes; at most ${fixedLength + longestRest} are read`,
    );
  }
  // On the proxy's own connection nothing else matters, not even the family.
  if (command === proxied) checkFamily(family, transport, rest);
  if (bytes.length < length) return length;
  if (command === local || family === 0 || transport === 0) {
    return { version: 2, length, ends: undefined, tlvs: undefined };
  }
  const header = bytes.subarray(0, length);
  const found = readTlvs(header, fixedLength + (addressLengths[family] ?? 0));
  if (typeof found === 'string') throw new ProxyHeaderError(found);
  if (found.checksumAt !== undefined && !hasRightChecksum(header, found.checksumAt)) {
    throw new ProxyHeaderError(`the checksum (type ${tlvType.crc32c}) of a PROXY header is wrong`);
  }
  return {
    version: 2,
    length,
    ends: transport === stream ? binaryEnds(header, family) : undefined,
    tlvs: found,
  };
}

function checkFamily(family: number, transport: number, rest: number): void {
  const needed = addressLengths[family];
  if (needed === undefined || transport > 2) {
    throw new ProxyHeaderError(
      `family and transport 0x${((family << 4) | transport).toString(16)} are unknown`,
    );
  }
  if (transport !== 0 && rest < needed) {
    throw new ProxyHeaderError(`${rest} bytes are too few for the addresses of a PROXY header`);
  }
}

function binaryEnds(header: Buffer, family: number): ProxiedEnds | undefined {
  if (family === 1) {
    return {
      ip: header.subarray(16, 20).join('.'),
      localIp: header.subarray(20, 24).join('.'),
      port: header.readUInt16BE(24),
      localPort: header.readUInt16BE(26),
    };
  }
  if (family === 2) {
    return {
      ip: binaryIPv6(header, 16),
      localIp: binaryIPv6(header, 32),
      port: header.readUInt16BE(48),
      localPort: header.readUInt16BE(50),
    };
  }
  // The path of another machine's unix socket means nothing here.
  return undefined;
}

function binaryIPv6(header: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, n) => header.readUInt16BE(at + 2 * n).toString(16));
  return usualIPv6(groups.join(':'));
}
