// The path of a unix socket in an address such as `unix:/run/app.sock`: finds it and checks it.

/** Bytes of the longest path that a socket may have: `sun_path` of unix(7) without its closing NUL. */
export const longestUnixPath = process.platform === 'linux' ? 107 : 103;

/**
 * The path in an address such as `unix:/run/app.sock`; undefined for other texts. {@link unixPathProblem} checks whether
 * it can be used.
 */
export function unixPathOf(text: string): string | undefined {
  return text.startsWith('unix:') ? text.slice('unix:'.length) : undefined;
}

/**
 * The mistake in the path of a unix socket and the remedy, in one sentence; undefined: none. The path is the identity of a
 * socket, so it has one spelling: no `..`, `.` or empty parts.
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
