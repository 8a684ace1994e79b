// wrk: runs the load generator, and parses its result.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Load, LoadOptions, LoadResult } from './load.ts';
import { runToEnd, temporaryFolder } from './processes.ts';

const loadResult = z.strictObject({
  requests: z.number(),
  bytes: z.number(),
  /** In µs. */
  duration: z.number(),
  /** Refused or broken connections, responses with a status from 400, time-outs. */
  errors: z.number(),
  /** Latencies, µs. */
  p50: z.number(),
  p99: z.number(),
});

let scripts: string | undefined;

/** Runs wrk with one thread against a port of this machine. */
export async function runWrk(port: number, load: Load, options: LoadOptions): Promise<LoadResult> {
  scripts ??= temporaryFolder('wrk');
  const script = join(scripts, 'load.lua');
  writeFileSync(script, loadScript(load));
  const headers = Object.entries(load.headers ?? {}).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const output = await runToEnd(
    'wrk',
    [
      ...['-t', '1', '-c', String(load.connections), '-d', String(options.seconds), '--timeout', '5'],
      ...['-s', script, ...headers, `${load.entry ?? 'http'}://127.0.0.1:${port}${load.path}`],
    ],
    { cores: options.cores, timeoutMs: options.seconds * 1000 + 20_000 },
  );
  return parseLoadResult(output);
}

/** Parses the line of JSON that the script of a run prints at its end. Throws an Error if there is none. */
export function parseLoadResult(output: string): LoadResult {
  const line = output.split('\n').find(text => text.startsWith('{"requests":'));
  if (line === undefined) throw new Error(`wrk printed no result: ${output}`);
  return loadResult.parse(JSON.parse(line));
}

/**
 * Returns the Lua script of a load. It has neither `request` nor `response`, so that wrk does not call Lua for each request;
 * wrk calls `delay` once per request, and measures the latency from the end of the delay.
 */
export function loadScript(load: Load): string {
  const lines = [];
  if (load.uploadBytes !== undefined) {
    lines.push(`wrk.method = "POST"`, `wrk.body = string.rep("x", ${load.uploadBytes})`);
  }
  if (load.thinkTime !== undefined) {
    // Exponential pauses make arrivals a Poisson process; the bound keeps every connection active.
    lines.push(
      'math.randomseed(os.time())',
      `function delay() return math.min(-math.log(1 - math.random()) * ${load.thinkTime}, ${load.thinkTime * 5}) end`,
    );
  }
  lines.push(
    'function done(summary, latency)',
    '  local e = summary.errors',
    '  io.write(string.format(',
    String.raw`    '\n{"requests":%d,"bytes":%.0f,"duration":%.0f,"errors":%d,"p50":%.0f,"p99":%.0f}\n',`,
    '    summary.requests, summary.bytes, summary.duration,',
    '    e.connect + e.read + e.write + e.status + e.timeout,',
    '    latency:percentile(50), latency:percentile(99)))',
    'end',
  );
  return `${lines.join('\n')}\n`;
}
