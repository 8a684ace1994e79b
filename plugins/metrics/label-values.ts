// Label values: maps what clients and servers send to a bounded set of values.
import type { ErrorCode } from '../../core/errors.ts';

/** The statuses of RFC 9110 and its registry, and 499: a client that left. Others are counted by class. */
const known = new Set([
  100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307,
  308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422,
  423, 424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 511,
]);

/** Returns `404`; `4xx` for a status outside the standards; `none` if no response was begun. */
export function statusLabel(status: number): string {
  if (known.has(status)) return String(status);
  return status >= 100 && status < 600 ? `${Math.floor(status / 100)}xx` : 'none';
}

/** Returns an error code as written in labels: `connect_failed`. */
export function reasonOf(code: ErrorCode | 'aborted'): string {
  return code.toLowerCase();
}
