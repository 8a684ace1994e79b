// ProxyFacts: what plugins can read from the PROXY header that introduced a client's connection.

/** What a trusted proxy reported about the client in a PROXY header, besides the client's addresses. */
export interface ProxyFacts {
  /** The proxy's own address; `unix:` for one that connected to a unix socket. */
  readonly address: string;
  /** 0 for a unix socket. */
  readonly port: number;
  /** The version of the header; version 1 has only addresses. */
  readonly version: 1 | 2;
  /** The name that the client requested of the proxy; in TLS, its SNI. */
  readonly authority: string | undefined;
  /** The protocol that the client and the proxy agreed on (ALPN), such as `h2`. */
  readonly alpn: string | undefined;
  /** What the proxy calls the connection, opaque: each byte is one character (latin1), control characters included. */
  readonly uniqueId: string | undefined;
  /** The result of the client's TLS handshake with the proxy; undefined: nothing was reported, or there was no TLS. */
  readonly tls: ProxyTlsFacts | undefined;
}

/** The TLS that ended at a proxy in front. */
export interface ProxyTlsFacts {
  /** Such as `TLSv1.3`. */
  readonly version: string | undefined;
  /** Such as `TLS_AES_128_GCM_SHA256`. */
  readonly cipher: string | undefined;
  /** The certificate that the client showed to the proxy; undefined: none. */
  readonly clientCertificate: ProxyClientCertificate | undefined;
}

/** A client's certificate, as far as a PROXY header describes it. */
export interface ProxyClientCertificate {
  readonly commonName: string | undefined;
  /** Whether the proxy verified it successfully. */
  readonly authorized: boolean;
}
