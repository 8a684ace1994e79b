// Idle connections: the memory of a proxy per client that is connected and idle.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { memoryOf, processTree } from './accounting.ts';
import { type Entry, portOf } from './load.ts';
import { stop } from './processes.ts';
import type { ComparedProxy, RunningProxy } from './proxies/proxy.ts';
import { takeSample } from './sample.ts';
import { formatBytes, formatCount, formatMedian } from './section.ts';
import { type Summary, summarise } from './statistics.ts';
import type { Bench, Study } from './study.ts';

/** Memory is counted after these connections, as the first ones also pay for one-time costs. */
const first = 1_000;
const atOnce = 100;
const answerTimeout = 20_000;
const settleTime = 2_000;
const repetitions = 3;

const request = 'GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
/** The end of the origin's response. */
const answerEnd = 'Hello World\n';

interface IdleResult {
  readonly proxy: string;
  /** Bytes per connection. */
  readonly memory: Summary | undefined;
  /** Connections that got a response to their first and, later, to their second request; the fewest of all runs. */
  readonly served: number;
  readonly refused: string | undefined;
}

/** A kind of connection to measure, and how many of them. */
interface Holding {
  readonly name: string;
  readonly connection: string;
  readonly entry: Entry;
  readonly total: number;
}

export const idleConnections = study({
  name: 'idle',
  connection: 'an idle keep-alive connection',
  entry: 'http',
  total: 10_000,
});

export const idleTlsConnections = study({
  name: 'idle-tls',
  connection: 'an idle keep-alive connection over TLS',
  entry: 'https',
  total: 5_000,
});

function study(holding: Holding): Study {
  const { name, connection, entry, total } = holding;
  return {
    name,
    quick: false,
    async run(bench) {
      const results: IdleResult[] = [];
      for (const proxy of bench.proxies) {
        const running = bench.running.get(proxy.name);
        if (running !== undefined && portOf(running, entry) !== undefined)
          results.push(await measure(bench, proxy, holding));
      }
      return {
        section: {
          name,
          title: `memory of ${connection}, ${formatCount(total)} of them open`,
          headings: ['', 'a connection', 'quartiles', 'served'],
          rows: results.map(({ proxy, memory, served }) => [
            proxy,
            formatMedian(memory, formatBytes),
            memory === undefined ? '–' : `${formatBytes(memory.low)} – ${formatBytes(memory.high)}`,
            formatCount(served),
          ]),
          notes: ["Memory of the proxy's processes, without what the kernel keeps for sockets."],
          refusals: results.flatMap(({ proxy, refused }) =>
            refused === undefined ? [] : [`${proxy}: no figure: ${refused}`],
          ),
        },
        figures: results,
      };
    },
  };
}

async function measure(bench: Bench, proxy: ComparedProxy, holding: Holding): Promise<IdleResult> {
  const { name, total } = holding;
  const perConnection: number[] = [];
  let served = total;
  for (let repetition = 1; repetition <= repetitions; repetition++) {
    bench.progress(`${name}: ${proxy.name}, ${repetition} of ${repetitions}`);
    // A new process each time, as it would reuse the memory of earlier connections.
    const running = await proxy.start({ origin: bench.origin, cores: bench.cores.proxy, workers: 1 });
    try {
      const run = await openAndHold(bench, running, holding);
      served = Math.min(served, run.served);
      perConnection.push(run.memory);
    } finally {
      await stop(running.process);
    }
  }
  const refused =
    served === total ? undefined : `${formatCount(served)} of ${formatCount(total)} were served`;
  return {
    proxy: proxy.name,
    memory: refused === undefined ? summarise(perConnection) : undefined,
    served,
    refused,
  };
}

async function openAndHold(
  bench: Bench,
  proxy: RunningProxy,
  { entry, total }: Holding,
): Promise<{ served: number; memory: number }> {
  // Lets compilers and heaps grow first, or their growth would count as the connections'.
  await takeSample(bench, proxy, { path: '/small', connections: 64, entry }, bench.effort.warmUp);
  const dial = dialler(proxy, entry);
  const pids = processTree(proxy.process.pid);
  const sockets: Socket[] = [];
  try {
    await open(sockets, dial, first);
    await sleep(settleTime);
    const before = memoryOf(pids);
    const opened = await open(sockets, dial, total);
    await sleep(settleTime);
    const memory = (memoryOf(pids) - before) / (total - first);
    const again = await askAll(sockets);
    return { served: Math.min(first + opened, again), memory };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** Opens connections up to `upTo`, with one request over each. Returns how many of the new ones got a response. */
async function open(sockets: Socket[], dial: () => Socket, upTo: number): Promise<number> {
  let answered = 0;
  while (sockets.length < upTo) {
    const batch = Array.from({ length: Math.min(atOnce, upTo - sockets.length) }, () => {
      const socket = dial();
      socket.setEncoding('latin1').on('error', () => {});
      return socket;
    });
    sockets.push(...batch);
    answered += await ask(batch);
  }
  return answered;
}

function dialler(proxy: RunningProxy, entry: Entry): () => Socket {
  const port = portOf(proxy, entry);
  if (port === undefined) throw new Error(`this proxy is not measured with ${entry}`);
  const options = { port, host: '127.0.0.1', noDelay: true };
  return () => (entry === 'https' ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options));
}

async function askAll(sockets: readonly Socket[]): Promise<number> {
  let answered = 0;
  for (let start = 0; start < sockets.length; start += atOnce) {
    answered += await ask(sockets.slice(start, start + atOnce));
  }
  return answered;
}

async function ask(sockets: readonly Socket[]): Promise<number> {
  const answers = await Promise.all(sockets.map(askOne));
  return answers.filter(answered => answered).length;
}

function askOne(socket: Socket): Promise<boolean> {
  return new Promise(resolve => {
    if (socket.destroyed) {
      resolve(false);
      return;
    }
    let text = '';
    const end = (answered: boolean): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('close', onClose);
      resolve(answered);
    };
    const onClose = (): void => end(false);
    const onData = (part: string): void => {
      text += part;
      if (text.endsWith(answerEnd)) end(text.startsWith('HTTP/1.1 200 '));
    };
    const timer = setTimeout(end, answerTimeout, false);
    socket.on('data', onData).on('close', onClose);
    socket.write(request);
  });
}
