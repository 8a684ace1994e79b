// The binary format of the PROXY protocol, version 2, which reader and writer share.

/** The bytes that begin a header. Neither HTTP nor TLS begins with them. */
export const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** The most bytes of the host name that a client asked for. */
export const longestAuthority = 255;

/** Types of the TLVs that follow the addresses. */
export const tlvType = Object.freeze({
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  uniqueId: 0x05,
  tls: 0x20,
  // Within `tls`.
  tlsVersion: 0x21,
  tlsCommonName: 0x22,
  tlsCipher: 0x23,
});
