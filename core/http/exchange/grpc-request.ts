// gRPC requests: how they are recognized, and how long their clients wait
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).

/** gRPC-Web, `application/grpc-web`, counts as plain HTTP: its clients read the HTTP status. */
const grpcType = /^application\/grpc(?:$|[+; \t])/i;

/** Returns whether this Content-Type makes an HTTP/2 request a gRPC one. */
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

/** Returns the milliseconds of a `grpc-timeout` such as `500m` or `10S`; undefined if it is absent or malformed. */
export function grpcTimeout(value: string | undefined): number | undefined {
  const [, digits = '', unit = ''] = timeoutForm.exec(value ?? '') ?? [];
  const ms = units[unit];
  return ms === undefined ? undefined : Number(digits) * ms;
}
