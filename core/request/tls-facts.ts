// TlsFacts: what plugins read of the TLS of a client's connection.

/** What was agreed with a client in a TLS handshake. */
export interface TlsFacts {
  /** The server name that the client asked for (SNI); undefined where a session of TLS 1.2 is resumed. */
  readonly sni: string | undefined;
  /** Such as `TLSv1.3`. */
  readonly version: string;
  /** By its name in OpenSSL or the standard, such as `TLS_AES_128_GCM_SHA256`. */
  readonly cipher: string;
  /** The protocol that was chosen (ALPN), such as `http/1.1`. */
  readonly alpn: string | undefined;
  /** Does it go on with an earlier session? */
  readonly resumed: boolean;
  /** What the client showed, where it was asked to. */
  readonly clientCertificate: ClientCertificate | undefined;
}

/** The certificate that a client showed. */
export interface ClientCertificate {
  /** Such as `O=Example, CN=build-7`. */
  readonly subject: string;
  readonly issuer: string;
  /** In hexadecimal. */
  readonly serialNumber: string;
  /** SHA-256, such as `AB:CD:…`. */
  readonly fingerprint: string;
  /** Until when it is valid, ms since the epoch. */
  readonly notAfter: number;
  /** Is it one of `clientAuth.ca`, in time and not revoked? Always true in mode `require`. */
  readonly authorized: boolean;
}
