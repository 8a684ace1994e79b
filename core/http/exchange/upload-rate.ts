// Upload rate: how fast a request body must arrive, in any protocol.
import type { Settings } from '../../settings/settings.ts';

/** Returns why `progress` bytes in `timeouts.body` are too few; undefined if they are enough. */
export function slowness(progress: number, { limits, timeouts }: Settings): string | undefined {
  if (progress >= Math.max(1, (limits.bodyRate * timeouts.body) / 1000)) return undefined;
  return progress === 0
    ? `the request body stalled for ${timeouts.body} ms`
    : `the request body arrived slower than ${limits.bodyRate} bytes/s`;
}
