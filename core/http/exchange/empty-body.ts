// Whether a request without a body says so.

/** Returns whether a request of this method announces an empty body (RFC 9110 section 8.6). */
export function announcesEmptyBody(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}
