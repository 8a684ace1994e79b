// h2load: one run of the load generator for HTTP/2, and what it says.
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

/** Reads the summary that h2load prints. Throws an Error when there is none, or when it spoke no HTTP/2. */
export function parseH2load(output: string): LoadResult {
  const requests = /^requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, /m.exec(output);
  const rate = /^finished in .*, ([\d.]+) req\/s/m.exec(output);
  const codes = /^status codes: (\d+) 2xx/m.exec(output);
  if (requests === null || rate === null || codes === null)
    throw new Error(`h2load printed no result: ${output}`);
  if (!/^Application protocol: (h2|h2c)$/m.test(output)) throw new Error(`no HTTP/2 was spoken: ${output}`);
  const done = Number(requests[1]);
  return {
    requests: done,
    duration: (done / Number(rate[1])) * 1e6,
    errors: Number(requests[3]) + done - Number(codes[1]),
    p50: undefined,
    p99: undefined,
  };
}
