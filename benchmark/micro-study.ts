// The micro-benchmark as a study, in a separate process on the core of the proxy.
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { runToEnd } from './processes.ts';
import { formatMedian, formatTime } from './section.ts';
import type { Study } from './study.ts';

const summary = z.object({ median: z.number(), low: z.number(), high: z.number(), count: z.number() });
const microResults = z.array(z.object({ name: z.string(), time: summary, allocated: z.number() }));

export const micro: Study = {
  name: 'micro',
  quick: false,
  async run(bench) {
    bench.progress('micro-benchmark');
    const script = fileURLToPath(new URL('micro.ts', import.meta.url));
    const output = await runToEnd(process.execPath, ['-C', 'weldr-source', script, '--json'], {
      cores: bench.cores.proxy,
      timeoutMs: 120_000,
    });
    const results = microResults.parse(JSON.parse(output));
    return {
      section: {
        name: 'micro',
        title: 'parts of a request in Weldr',
        headings: ['', 'time', 'quartiles', 'heap'],
        rows: results.map(({ name, time, allocated }) => [
          name,
          formatMedian(time, ns => formatTime(ns / 1000)),
          `${formatTime(time.low / 1000)} – ${formatTime(time.high / 1000)}`,
          `${Math.round(allocated)} B`,
        ]),
        notes: [],
        refusals: [],
      },
      figures: results,
    };
  },
};
