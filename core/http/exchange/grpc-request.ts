// gRPC requests: which ones are, and how long their clients wait
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).

/** gRPC-Web, `application/grpc-web`, is HTTP like any other: its clients read the HTTP status. */
const grpcType = /^application\/grpc(?:$|[+; \t])/i;

/** Does this Content-Type make a request of HTTP/2 one of gRPC? */
export function isGrpcType(contentType: string): boolean {
  return grpcType.test(contentType);
}

const timeoutForm = /^(\d{1,8})([HMSmun])$/;

/** In ms. */
const units: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** The milliseconds that a `grpc-timeout` such as `500m` or `10S` gives; undefined: there is none, or a malformed one. */
export function grpcTimeout(value: string | undefined): number | undefined {
  const [, digits = '', unit = ''] = timeoutForm.exec(value ?? '') ?? [];
  const ms = units[unit];
  return ms === undefined ? undefined : Number(digits) * ms;
}
