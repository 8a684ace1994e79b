// h2load: runs the load generator for HTTP/2, and parses its result.
import type { Load, LoadOptions, LoadResult } from './load.ts';
import { runToEnd } from './processes.ts';

/** Runs h2load with one thread against a port of this machine. */
export async function runH2load(port: number, load: Load, options: LoadOptions): Promise<LoadResult> {
  const scheme = load.entry === 'https' ? 'https' : 'http';
  const output = await runToEnd(
    'h2load',
    [
      ...['-t', '1', '-c', String(load.connections), '-m', String(load.streams ?? 1)],
      ...['-D', String(options.seconds), `${scheme}://127.0.0.1:${port}${load.path}`],
    ],
    { cores: options.cores, timeoutMs: options.seconds * 1000 + 20_000 },
  );
  return parseH2load(output);
}

/** Parses the summary of h2load. Throws an Error if there is none, or if the run was not HTTP/2. */
export function parseH2load(output: string): LoadResult {
  const requests = /^requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, /m.exec(output);
  const rate = /^finished in .*, ([\d.]+) req\/s/m.exec(output);
  const codes = /^status codes: (\d+) 2xx/m.exec(output);
  if (requests === null || rate === null || codes === null)
    throw new Error(`h2load printed no result: ${output}`);
  if (!/^Application protocol: (h2|h2c)$/m.test(output)) throw new Error(`the run was not HTTP/2: ${output}`);
  const done = Number(requests[1]);
  return {
    requests: done,
    duration: (done / Number(rate[1])) * 1e6,
    errors: Number(requests[3]) + done - Number(codes[1]),
    p50: undefined,
    p99: undefined,
  };
}
