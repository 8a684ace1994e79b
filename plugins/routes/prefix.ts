// Prefix: removes a prefix from paths on the way to the upstream, and adds it to paths in the response.
import type { Response } from '../../core/request/response.ts';

/** Returns the path without a prefix, in any case; undefined: it does not begin with the prefix as whole segments. */
export function withoutPrefix(path: string, prefix: string): string | undefined {
  if (!isWithin(path, prefix)) return undefined;
  const rest = path.slice(prefix.length);
  // For some readers a path that begins with "//" names a host.
  return rest === '' ? '/' : rest.replace(/^\/{2,}/, '/');
}

/** Returns whether a path is the prefix itself, or below it. */
export function isWithin(path: string, prefix: string): boolean {
  return (
    path.slice(0, prefix.length).toLowerCase() === prefix.toLowerCase() &&
    (path.length === prefix.length || /[/?#]/.test(path.charAt(prefix.length)))
  );
}

/** The facts to correct a response by. */
export interface PrefixedRequest {
  /** Empty: no prefix was removed, but the upstream got another host. */
  readonly prefix: string;
  /** Path and query that the upstream got. */
  readonly target: string;
  /** The host that the client asked for. */
  readonly host: string;
  /** Hosts that the upstream may use for itself, and that clients may not know. */
  readonly upstreamHosts: readonly string[];
}

/**
 * Adds the prefix to the path in `Location` and to `Path` in `Set-Cookie`, if they are within this service and do not have it
 * yet: an application that supports `X-Forwarded-Prefix` adds the prefix itself.
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

/** Returns a `Location` as clients need it. */
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
  // A relative path stays below the prefix, unless it has "..".
  if (/^[a-z][a-z0-9+.-]*:/i.test(location) || !/(?:^|\/)\.\.(?:[/?#]|$)/.test(location)) return location;
  const resolved = URL.parse(location, `http://upstream.invalid${target}`);
  return resolved === null ? location : `${prefix}${resolved.pathname}${resolved.search}${resolved.hash}`;
}

/** A path must not begin with "//": it would name a host. */
function pathWithPrefix(path: string, prefix: string): string {
  const right = isWithin(path, prefix) ? path : `${prefix}${path}`;
  return right.replace(/^\/{2,}/, '/');
}

function isSame(authority: string, host: string): boolean {
  return host !== '' && authority.toLowerCase() === host.toLowerCase();
}

function cookieWithPrefix(cookie: string, prefix: string): string {
  // Browsers accept such a cookie only with the path / (RFC 6265bis section 4.1.3.2).
  if (/^\s*__Host-/i.test(cookie)) return cookie;
  return cookie.replace(/(;\s*path\s*=\s*)(\/[^;]*)/gi, (whole, attribute: string, path: string) =>
    isWithin(path.trim(), prefix)
      ? whole
      : `${attribute}${path.trim() === '/' ? prefix : `${prefix}${path.trim()}`}`,
  );
}
