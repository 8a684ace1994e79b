// A prefix that is taken off a path on its way to the upstream, and put before what the response says of paths.
import type { Response } from '../../core/request/response.ts';

/** The path without a prefix, in any case; undefined: it does not begin with it, or goes on within a segment. */
export function withoutPrefix(path: string, prefix: string): string | undefined {
  if (!isWithin(path, prefix)) return undefined;
  const rest = path.slice(prefix.length);
  // What begins with "//" names a host for some readers.
  return rest === '' ? '/' : rest.replace(/^\/{2,}/, '/');
}

/** Is a path the prefix, or below it? */
export function isWithin(path: string, prefix: string): boolean {
  return (
    path.slice(0, prefix.length).toLowerCase() === prefix.toLowerCase() &&
    (path.length === prefix.length || /[/?#]/.test(path.charAt(prefix.length)))
  );
}

/** What a response is put right by. */
export interface PrefixedRequest {
  /** Empty: none was taken off, but the upstream was told another host. */
  readonly prefix: string;
  /** Path and query as the upstream got them. */
  readonly target: string;
  /** The host that the client asked for. */
  readonly host: string;
  /** Hosts by which the upstream may know itself, and which clients may not know. */
  readonly upstreamHosts: readonly string[];
}

/**
 * Puts the prefix before the path in `Location` and before `Path` in `Set-Cookie`, where they are within this service and do
 * not have it: an application that knows `X-Forwarded-Prefix` writes it itself.
 */
export function putPrefix(response: Response, request: PrefixedRequest): void {
  const { headers } = response;
  const location = headers.get('location');
  if (location !== undefined) {
    const right = locationWithPrefix(location, request);
    if (right !== location) headers.set('Location', right);
  }
  const cookies = request.prefix === '' ? [] : headers.getAll('set-cookie');
  const right = cookies.map(cookie => cookieWithPrefix(cookie, request.prefix));
  if (right.every((cookie, i) => cookie === cookies[i])) return;
  headers.delete('Set-Cookie');
  for (const cookie of right) headers.append('Set-Cookie', cookie);
}

/** A `Location` as a client has to see it. */
export function locationWithPrefix(location: string, request: PrefixedRequest): string {
  const { prefix, target, host, upstreamHosts } = request;
  const absolute = /^(?:https?:)?\/\/([^/?#\\]*)(.*)$/i.exec(location);
  if (absolute !== null) {
    const [, authority = '', rest = ''] = absolute;
    const right = pathWithPrefix(rest.startsWith('/') ? rest : `/${rest}`, prefix);
    if (isSame(authority, host)) return `${location.slice(0, location.length - rest.length)}${right}`;
    return upstreamHosts.some(name => isSame(authority, name)) ? right : location;
  }
  if (location.startsWith('/')) return pathWithPrefix(location, prefix);
  // Relative to what the upstream was asked for, which lies as deep below the prefix; only ".." can lead out of it.
  if (/^[a-z][a-z0-9+.-]*:/i.test(location) || !/(?:^|\/)\.\.(?:[/?#]|$)/.test(location)) return location;
  const resolved = URL.parse(location, `http://upstream.invalid${target}`);
  return resolved === null ? location : `${prefix}${resolved.pathname}${resolved.search}${resolved.hash}`;
}

/** One that would begin with "//" does not leave as a path: it would name a host. */
function pathWithPrefix(path: string, prefix: string): string {
  const right = isWithin(path, prefix) ? path : `${prefix}${path}`;
  return right.replace(/^\/{2,}/, '/');
}

function isSame(authority: string, host: string): boolean {
  return host !== '' && authority.toLowerCase() === host.toLowerCase();
}

function cookieWithPrefix(cookie: string, prefix: string): string {
  // Browsers take such a one for the path / alone (RFC 6265bis section 4.1.3.2).
  if (/^\s*__Host-/i.test(cookie)) return cookie;
  return cookie.replace(/(;\s*path\s*=\s*)(\/[^;]*)/gi, (whole, attribute: string, path: string) =>
    isWithin(path.trim(), prefix)
      ? whole
      : `${attribute}${path.trim() === '/' ? prefix : `${prefix}${path.trim()}`}`,
  );
}
