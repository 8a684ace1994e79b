// TlsFacts: what plugins can read about the TLS of a client's connection.

/** The result of a TLS handshake with a client. */
export interface TlsFacts {
  /** The requested server name (SNI); undefined when a session of TLS 1.2 is resumed. */
  readonly sni: string | undefined;
  /** Such as `TLSv1.3`. */
  readonly version: string;
  /** The name in OpenSSL or the standard, such as `TLS_AES_128_GCM_SHA256`. */
  readonly cipher: string;
  /** The protocol that was chosen (ALPN), such as `http/1.1`. */
  readonly alpn: string | undefined;
  /** Whether it resumes an earlier session. */
  readonly resumed: boolean;
  /** The client's certificate, if one was requested and sent. */
  readonly clientCertificate: ClientCertificate | undefined;
}

/** The certificate of a client. */
export interface ClientCertificate {
  /** Such as `O=Example, CN=build-7`. */
  readonly subject: string;
  readonly issuer: string;
  /** In hexadecimal. */
  readonly serialNumber: string;
  /** SHA-256, such as `AB:CD:…`. */
  readonly fingerprint: string;
  /** The end of its validity, ms since the epoch. */
  readonly notAfter: number;
  /** Whether it was issued by `clientAuth.ca`, is valid now and is not revoked. Always true in mode `require`. */
  readonly authorized: boolean;
}
