// NodeRelease: whether the Node that runs Weldr has the security fixes that affect a proxy.

/**
 * The release of each maintained line that has the fixes of November 2026 (memory of one connection in another, resumption
 * of client certificates, a crash caused by a TLS peer) and of October 2026 (responses on kept connections).
 */
const fixedIn: Readonly<Record<number, readonly [minor: number, patch: number]>> = {
  22: [23, 5],
  24: [22, 3],
  26: [13, 1],
};

/** Returns what is wrong with this version of Node, and what to do; undefined: no problem is known. */
export function releaseProblem(version: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const fixed = fixedIn[major];
  if (fixed === undefined) {
    return Object.keys(fixedIn).some(line => Number(line) > major)
      ? `Node ${version} belongs to a release line that gets no security fixes; run Weldr on ${lines()}`
      : undefined;
  }
  const [fixedMinor, fixedPatch] = fixed;
  if (minor > fixedMinor || (minor === fixedMinor && patch >= fixedPatch)) return undefined;
  return `Node ${version} lacks security fixes that affect a proxy; run Weldr on ${major}.${fixed.join('.')} or newer, see SECURITY.md`;
}

function lines(): string {
  return Object.entries(fixedIn)
    .map(([major, rest]) => `${major}.${rest.join('.')}`)
    .join(', ');
}
