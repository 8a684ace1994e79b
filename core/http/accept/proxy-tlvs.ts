// What a PROXY header of version 2 says besides addresses, as type-length-value entries (TLVs).
import type { ProxyFacts, ProxyTlsFacts } from '../../request/proxy-facts.ts';
import { longestAuthority, tlvType } from '../upstream/proxy-format.ts';

/** Bytes of a TLV's type and length. */
const tlvStart = 3;
/** Bytes in a TLV about TLS before the TLVs that it contains. */
const tlsStart = 5;

const longestUniqueId = 128;
const checksumLength = 4;

/** Bits in the first byte of a TLV about TLS. */
const spokeTls = 0x01;
const showedCertificate = 0x02 | 0x04;

/** What was found. */
export interface TlvFacts extends Pick<ProxyFacts, 'authority' | 'alpn' | 'uniqueId' | 'tls'> {
  /** Where the header's checksum is; undefined if it has none. */
  readonly checksumAt: number | undefined;
}

/** Reads everything after the addresses, which end at `start`. Returns why it is malformed, as a string, if it is. */
export function readTlvs(header: Buffer, start: number): TlvFacts | string {
  const found = collect(header, start);
  if (found === undefined) return 'a PROXY header ends within a TLV, or has two TLVs of one type';
  const authority = found.get(tlvType.authority);
  const alpn = found.get(tlvType.alpn);
  const uniqueId = found.get(tlvType.uniqueId);
  const checksum = found.get(tlvType.crc32c);
  const tls = found.get(tlvType.tls);
  if (checksum !== undefined && checksum.length !== checksumLength) return wrong('checksum');
  if (uniqueId !== undefined && uniqueId.length > longestUniqueId) return wrong('unique id');
  if (authority !== undefined && authority.length > longestAuthority) return wrong('authority');
  if (![authority, alpn].every(isText)) return 'a PROXY header has control characters in a text value';
  const tlsFacts = tls === undefined ? undefined : readTls(tls);
  if (tlsFacts === 'malformed') return 'a PROXY header has a malformed TLV about TLS';
  return {
    authority: authority?.toString('utf8'),
    alpn: alpn?.toString('latin1'),
    uniqueId: uniqueId?.toString('latin1'),
    tls: tlsFacts,
    checksumAt: checksum === undefined ? undefined : checksum.byteOffset - header.byteOffset,
  };
}

const wrong = (what: string): string => `the ${what} of a PROXY header has the wrong length`;

/** Types that Weldr reads. Two TLVs of the same one would be ambiguous. */
const known: ReadonlySet<number> = new Set(Object.values(tlvType));

/** Returns the values by type; undefined if the TLVs are malformed. */
function collect(bytes: Buffer, start: number): Map<number, Buffer> | undefined {
  const found = new Map<number, Buffer>();
  let at = start;
  while (at < bytes.length) {
    if (at + tlvStart > bytes.length) return undefined;
    const type = bytes.readUInt8(at);
    const from = at + tlvStart;
    at = from + bytes.readUInt16BE(at + 1);
    if (at > bytes.length) return undefined;
    if (!known.has(type)) continue;
    if (found.has(type)) return undefined;
    found.set(type, bytes.subarray(from, at));
  }
  return found;
}

function readTls(value: Buffer): ProxyTlsFacts | undefined | 'malformed' {
  if (value.length < tlsStart) return 'malformed';
  const bits = value.readUInt8(0);
  const verify = value.readUInt32BE(1);
  const found = collect(value, tlsStart);
  if (found === undefined || ![...found.values()].every(isText)) return 'malformed';
  if ((bits & spokeTls) === 0) return undefined;
  const commonName = found.get(tlvType.tlsCommonName)?.toString('utf8');
  return Object.freeze({
    version: found.get(tlvType.tlsVersion)?.toString('latin1'),
    cipher: found.get(tlvType.tlsCipher)?.toString('latin1'),
    clientCertificate:
      (bits & showedCertificate) === 0 ? undefined : Object.freeze({ commonName, authorized: verify === 0 }),
  });
}

/** Returns whether a value has no control characters. These texts end up in logs and fields. */
const isText = (value: Buffer | undefined): boolean =>
  value === undefined || !value.some(byte => byte < 0x20 || byte === 0x7f);
