// How servers behind a proxy read a request's target. Each serves what it finds at the path that it reads.

/** Returns the path that a server looks up; undefined if it refuses the target. */
type Reader = (path: string) => string | undefined;

const bytes = (path: string): string =>
  path.replace(/%([0-9a-f]{2})/gi, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));

function resolveDots(path: string, segments: readonly string[]): string {
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '.' && segment !== '') kept.push(segment);
  }
  return `/${kept.join('/')}${path.endsWith('/') ? '/' : ''}`;
}

const readers: Readonly<Record<string, Reader>> = {
  /** Like nginx: decodes once, removes dot segments and merges slashes. */
  normalizing: path => {
    const decoded = bytes(path);
    return decoded.includes('\0') ? undefined : resolveDots(decoded, decoded.split('/'));
  },
  /** The same in C, where a string ends at the first NUL. */
  terminated: path => {
    const decoded = bytes(path).split('\0')[0] ?? '';
    return resolveDots(decoded, decoded.split('/'));
  },
  /** Like an Express app whose author decodes. */
  naive: path => {
    try {
      return decodeURIComponent(path);
    } catch {
      return undefined;
    }
  },
  /** Like a servlet container: drops the parameters of segments, then decodes. */
  servlet: path => {
    const decoded = bytes(path.replace(/;[^/]*/g, ''));
    return resolveDots(decoded, decoded.split('/'));
  },
  /** Like programs that use `new URL(request.url, base)`. */
  url: path => {
    try {
      return decodeURIComponent(new URL(path, 'http://origin.test').pathname);
    } catch {
      return undefined;
    }
  },
  /** Like Windows: backslashes are slashes. */
  windows: path => {
    const decoded = bytes(path).replaceAll('\\', '/');
    return resolveDots(decoded, decoded.split('/'));
  },
};

/** The servers that would serve `/login`, or something below `/admin`, for this target, in any case. */
export function serversOfProtected(target: string): string[] {
  const path = target.replace(/^https?:\/\/[^/?]*/i, '').split(/[?#]/)[0] ?? '';
  return Object.entries(readers)
    .filter(([, read]) => /^\/(?:login\/?|admin(?:\/.*)?)$/is.test(read(path) ?? ''))
    .map(([name]) => name);
}

/** The paths that the servers would look up for this target, in lower case. */
export function servedPaths(target: string): string[] {
  const path = target.split(/[?#]/)[0] ?? '';
  return Object.values(readers).flatMap(read => read(path)?.toLowerCase() ?? []);
}
