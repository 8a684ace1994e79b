// The path of a unix socket, as `unix:/run/app.sock` names it: what is taken for one, and why another is not.

/** Bytes of the longest path that a socket may have: `sun_path` of unix(7) without its closing NUL. */
export const longestUnixPath = process.platform === 'linux' ? 107 : 103;

/**
 * The path in an address such as `unix:/run/app.sock`; undefined when the text is no such address at all. Whether the
 * path can be used is said by {@link unixPathProblem}.
 */
export function unixPathOf(text: string): string | undefined {
  return text.startsWith('unix:') ? text.slice('unix:'.length) : undefined;
}

/**
 * What is wrong with the path of a unix socket and what to do, in one sentence; undefined: nothing. One socket has one
 * spelling, as the path is its identity: no `..`, `.` or empty parts.
 */
export function unixPathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'write the path in full, such as unix:/run/app.sock';
  if (!path.isWellFormed() || hasControls(path)) return 'take the control characters out of the path';
  const parts = path.split('/').slice(1);
  if (parts.some(part => part === '' || part === '.' || part === '..')) {
    return 'write the path without empty, "." and ".." parts';
  }
  const bytes = Buffer.byteLength(path);
  if (bytes <= longestUnixPath) return undefined;
  return `the path has ${bytes} bytes, and a socket's has ${longestUnixPath} at most: choose a shorter one`;
}

function hasControls(path: string): boolean {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
