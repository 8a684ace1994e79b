// A host as URLs and addresses write it: IPv6 in brackets.

/** `[::1]` for `::1`; names and IPv4 addresses as they are. */
export function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** `10.0.0.5:80`, `[::1]:80`. */
export function hostAndPort(host: string, port: number): string {
  return `${hostText(host)}:${port}`;
}
