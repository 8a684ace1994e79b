// Load: the requests of clients in one run, and the tools that send them: wrk, h2load and `openssl s_time`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { runToEnd, temporaryFolder } from './processes.ts';

/** How clients connect: HTTP/1.1 without TLS, TLS, or HTTP/2 without TLS. */
export type Entry = 'http' | 'https' | 'h2c';

/** The load of one run. */
export interface Load {
  readonly path: string;
  readonly connections: number;
  /** Default: `http`. */
  readonly entry?: Entry;
  /** Concurrent requests per connection of HTTP/2; undefined: HTTP/1.1. */
  readonly streams?: number;
  /** Each request has a separate connection, which resumes the TLS session of an earlier one. */
  readonly resumes?: true;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes of a body to POST; undefined: GET. */
  readonly uploadBytes?: number;
  /** The mean pause before each request of a connection, ms; undefined: no pause. */
  readonly thinkTime?: number;
  /** The shortest run that counts, s. */
  readonly seconds?: number;
}

/** The result of one run. */
export interface LoadResult {
  readonly requests: number;
  /** In µs. */
  readonly duration: number;
  /** Refused or broken connections, responses with a status from 400, time-outs. */
  readonly errors: number;
  /** Latencies, µs; undefined if the tool does not report them. */
  readonly p50?: number;
  readonly p99?: number;
}

let script: string | undefined;

/** Sends a load to a port of this machine. */
export async function runLoad(
  port: number,
  load: Load,
  { seconds, cores }: { readonly seconds: number; readonly cores: readonly number[] },
): Promise<LoadResult> {
  const { path, connections, entry = 'http', streams, resumes, headers = {} } = load;
  const runTool = (command: string, args: readonly string[]) =>
    runToEnd(command, args, { cores, timeout: seconds * 1000 + 20_000 });
  if (resumes) {
    // One client for each connection.
    const args = [
      's_time',
      '-reuse',
      '-connect',
      `127.0.0.1:${port}`,
      '-www',
      path,
      '-time',
      String(seconds),
    ];
    const clients = Array.from({ length: connections }, () => runTool('openssl', args));
    const output = (await Promise.all(clients)).join('\n');
    return { ...parseResumption(output, connections), duration: seconds * 1e6 };
  }
  const url = `${entry === 'https' ? 'https' : 'http'}://127.0.0.1:${port}${path}`;
  const size = ['-t', '1', '-c', String(connections)];
  if (streams !== undefined) {
    return parseH2load(await runTool('h2load', [...size, '-m', String(streams), '-D', String(seconds), url]));
  }
  script ??= join(temporaryFolder('wrk'), 'load.lua');
  writeFileSync(script, wrkScript(load));
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const args = [...size, '-d', String(seconds), '--timeout', '5', '-s', script, ...fields, url];
  return parseWrk(await runTool('wrk', args));
}

const wrkResult = z.strictObject({
  requests: z.number(),
  duration: z.number(),
  errors: z.number(),
  p50: z.number(),
  p99: z.number(),
});

/** Parses the line of JSON that wrk's script prints at its end. Throws an Error if there is none. */
export function parseWrk(output: string): LoadResult {
  const line = output.split('\n').find(text => text.startsWith('{"requests":'));
  if (line === undefined) throw new Error(`wrk printed no result: ${output}`);
  return wrkResult.parse(JSON.parse(line));
}

/** Parses the summary of h2load. Throws an Error if there is none, or if the run was not HTTP/2. */
export function parseH2load(output: string): LoadResult {
  const requests = /^requests: .* (\d+) done, \d+ succeeded, (\d+) failed, /m.exec(output);
  const rate = /^finished in .*, ([\d.]+) req\/s/m.exec(output);
  const codes = /^status codes: (\d+) 2xx/m.exec(output);
  if (requests === null || rate === null || codes === null) {
    throw new Error(`h2load printed no result: ${output}`);
  }
  if (!/^Application protocol: (h2|h2c)$/m.test(output)) throw new Error(`the run was not HTTP/2: ${output}`);
  const done = Number(requests[1]);
  return {
    requests: done,
    duration: (done / Number(rate[1])) * 1e6,
    errors: Number(requests[2]) + done - Number(codes[1]),
  };
}

/**
 * Parses the output of `runs` runs of `openssl s_time`: an `r` for each resumed session, a `*` for each other one, which
 * counts as an error. Throws an Error if a run has no result.
 */
export function parseResumption(output: string, runs: number): Pick<LoadResult, 'requests' | 'errors'> {
  const marks = output.match(/^[r*]+$/gm) ?? [];
  if (marks.length < runs) throw new Error(`openssl s_time printed no result: ${output}`);
  const sessions = marks.join('');
  return { requests: sessions.length, errors: sessions.replaceAll('r', '').length };
}

/**
 * Returns wrk's script in Lua for a load. It has neither `request` nor `response`, so that wrk does not call Lua for each
 * request; wrk calls `delay` once per request, and measures the latency from the end of the delay.
 */
export function wrkScript({ uploadBytes, thinkTime }: Load): string {
  const upload = `wrk.method = "POST"\nwrk.body = string.rep("x", ${uploadBytes})\n`;
  // Exponential pauses make arrivals a Poisson process; the bound keeps every connection active.
  const pauses = `math.randomseed(os.time())
function delay() return math.min(-math.log(1 - math.random()) * ${thinkTime}, ${thinkTime} * 5) end
`;
  return `${uploadBytes === undefined ? '' : upload}${thinkTime === undefined ? '' : pauses}
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"duration":%.0f,"errors":%d,"p50":%.0f,"p99":%.0f}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`;
}
