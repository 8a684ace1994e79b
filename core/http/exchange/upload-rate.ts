// Upload rate: how fast the body of a request has to come, whatever protocol brings it.
import type { Settings } from '../../settings/settings.ts';

/** Returns why `progress` bytes in `timeouts.body` are too few; undefined: they are enough. */
export function slowness(progress: number, { limits, timeouts }: Settings): string | undefined {
  if (progress >= Math.max(1, (limits.bodyRate * timeouts.body) / 1000)) return undefined;
  return progress === 0
    ? `the request body stalled for ${timeouts.body} ms`
    : `the request body came slower than ${limits.bodyRate} bytes/s`;
}
