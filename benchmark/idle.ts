// Idle connections: the memory of a peer per client that is connected and idle.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { memoryOf, processTree } from './accounting.ts';
import type { Entry } from './load.ts';
import type { Peer, RunningPeer } from './peer.ts';
import { stop } from './processes.ts';
import { formatBytes, formatCount, formatMedian, formatQuartiles, summarise } from './report.ts';
import { takeSample } from './sample.ts';
import type { Bench, Study } from './study.ts';

/** Memory is counted after these connections, as the first ones also pay for one-time costs. */
const first = 1_000;
const atOnce = 100;
const responseTimeout = 20_000;
const settleTime = 2_000;
const repetitions = 3;

const request = 'GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
const responseEnd = 'Hello World\n';

/** A kind of connection to measure, and how many of them. */
interface Holding {
  readonly name: string;
  readonly connection: string;
  readonly entry: Entry;
  readonly total: number;
}

const holdings: readonly Holding[] = [
  { name: 'idle', connection: 'an idle keep-alive connection', entry: 'http', total: 10_000 },
  { name: 'idle-tls', connection: 'an idle keep-alive connection over TLS', entry: 'https', total: 5_000 },
];

export const idle: readonly Study[] = holdings.map(holding => ({
  name: holding.name,
  async run(bench) {
    const { name, connection, entry, total } = holding;
    const results = [];
    for (const { peer } of bench.running) {
      if (peer.entries.includes(entry)) results.push(await measure(bench, peer, holding));
    }
    const rows = results.map(({ proxy, memory, served }) => [
      proxy,
      formatMedian(memory, formatBytes),
      formatQuartiles(memory, formatBytes),
      formatCount(served),
    ]);
    const refusals = results
      .filter(({ served }) => served < total)
      .map(
        ({ proxy, served }) =>
          `${proxy}: no figure: ${formatCount(served)} of ${formatCount(total)} were served`,
      );
    const section = {
      name,
      title: `memory of ${connection}, ${formatCount(total)} of them open`,
      headings: ['', 'a connection', 'quartiles', 'served'],
      rows,
      notes: ["Memory of the proxy's processes, without what the kernel keeps for sockets."],
      refusals,
    };
    return { section, figures: results };
  },
}));

/** Measures bytes per connection, and how many connections were served both times; the fewest of all runs. */
async function measure(bench: Bench, peer: Peer, holding: Holding) {
  const perConnection: number[] = [];
  let served = holding.total;
  for (let repetition = 1; repetition <= repetitions; repetition++) {
    bench.progress(`${holding.name}: ${peer.name}, ${repetition} of ${repetitions}`);
    // A new process each time, as it would reuse the memory of earlier connections.
    const running = await bench.start(peer);
    try {
      const run = await openAndHold(bench, running, holding);
      served = Math.min(served, run.served);
      perConnection.push(run.memory);
    } finally {
      await stop(running.process);
    }
  }
  const memory = served === holding.total ? summarise(perConnection) : undefined;
  return { proxy: peer.name, memory, served };
}

async function openAndHold(bench: Bench, running: RunningPeer, { entry, total }: Holding) {
  // Lets compilers and heaps grow first, or their growth would count as the connections'.
  await takeSample(bench, running, { path: '/small', connections: 64, entry }, bench.effort.warmUp);
  const options = { port: running.place[entry], host: '127.0.0.1', noDelay: true, rejectUnauthorized: false };
  const dial = (): Socket =>
    (entry === 'https' ? connectTls(options) : connect(options)).on('error', () => {});
  const pids = processTree(running.process.pid);
  const sockets: Socket[] = [];
  const servedOf = { first: 0, second: 0 };
  /** Opens connections, with one request over each. Resolves with the memory at rest. */
  const open = async (upTo: number): Promise<number> => {
    while (sockets.length < upTo) {
      const opened = Array.from({ length: atOnce }, dial);
      sockets.push(...opened);
      servedOf.first += await countServed(opened);
    }
    await sleep(settleTime);
    return memoryOf(pids);
  };
  try {
    const before = await open(first);
    const memory = ((await open(total)) - before) / (total - first);
    for (let from = 0; from < total; from += atOnce) {
      servedOf.second += await countServed(sockets.slice(from, from + atOnce));
    }
    return { memory, served: Math.min(servedOf.first, servedOf.second) };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** Sends a request over each connection. Resolves with how many got a response. */
async function countServed(sockets: readonly Socket[]): Promise<number> {
  return (await Promise.all(sockets.map(isServed))).filter(served => served).length;
}

function isServed(socket: Socket): Promise<boolean> {
  return new Promise(resolve => {
    let text = '';
    const end = (served: boolean): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('close', onClose);
      resolve(served);
    };
    const onClose = (): void => end(false);
    const onData = (part: Buffer): void => {
      text += part.toString('latin1');
      if (text.endsWith(responseEnd)) end(text.startsWith('HTTP/1.1 200 '));
    };
    const timer = setTimeout(end, responseTimeout, false);
    if (socket.destroyed) end(false);
    else socket.on('data', onData).on('close', onClose).write(request);
  });
}
