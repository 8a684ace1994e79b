// Resumption: clients that open a connection for each request and resume their TLS session, by `openssl s_time`.
import type { Load, LoadOptions, LoadResult } from './load.ts';
import { runToEnd } from './processes.ts';

/** Runs as many clients as the load has connections, each with one connection at a time. */
export async function runResumption(port: number, load: Load, options: LoadOptions): Promise<LoadResult> {
  const args = ['s_time', '-reuse', '-connect', `127.0.0.1:${port}`, '-www', load.path];
  const clients = Array.from({ length: load.connections }, async () => {
    const output = await runToEnd('openssl', [...args, '-time', String(options.seconds)], {
      cores: options.cores,
      timeoutMs: options.seconds * 1000 + 20_000,
    });
    return parseResumption(output);
  });
  const results = await Promise.all(clients);
  const sum = (pick: (result: LoadResult) => number): number =>
    results.reduce((total, result) => total + pick(result), 0);
  return {
    requests: sum(({ requests }) => requests),
    duration: options.seconds * 1e6,
    errors: sum(({ errors }) => errors),
    p50: undefined,
    p99: undefined,
  };
}

/** Parses the output of one client: an `r` for each resumed session, a `*` for each other one. */
export function parseResumption(output: string): LoadResult {
  const count = /^(\d+) connections in (\d+) real seconds/m.exec(output);
  const marks = output
    .split('\n')
    .find(line => /^[r*]+$/.test(line.trim()))
    ?.trim();
  if (count === null || marks === undefined) throw new Error(`openssl s_time printed no result: ${output}`);
  return {
    requests: marks.length,
    duration: Number(count[2]) * 1e6,
    // A session that was not resumed belongs to another scenario.
    errors: marks.replaceAll('r', '').length,
    p50: undefined,
    p99: undefined,
  };
}
