// Probes whether kernels answer for an address: `node answer-probe.ts ADDRESS SOURCE…`, each source the near end of a
// private link to one machine. A kernel that has the address, and lets its packets pass, refuses a connection to a closed
// port; others are silent. Prints a line of JSON for each change: which source, when, and whether it holds the address.
import { connect } from 'node:net';

const [address = '', ...sources] = process.argv.slice(2);
const discardPort = 9;
const everyMs = 20;
/** A probe without an answer for this long counts as unanswered, ms. */
const patienceMs = 60;
/** After this many unanswered probes in a row, it does not hold the address: a single one may be lost. */
const enough = 2;

function follow(localAddress: string, index: number): void {
  let holds = false;
  let silent = 0;
  let silentSince = 0;
  let answeredAt = 0;
  const change = (at: number) => {
    holds = !holds;
    console.log(JSON.stringify({ index, at, holds }));
  };
  const settle = (at: number, answered: boolean) => {
    if (answered) {
      silent = 0;
      answeredAt = Math.max(answeredAt, at);
      if (!holds) change(at);
      return;
    }
    // Silence takes longer to detect than an answer, so an earlier probe's silence is outdated.
    if (at < answeredAt) return;
    if (silent++ === 0) silentSince = at;
    if (holds && silent >= enough) change(silentSince);
  };
  const ask = () => {
    const at = Date.now();
    const socket = connect({ host: address, port: discardPort, localAddress });
    const { promise, resolve } = Promise.withResolvers<boolean>();
    // An answer may have arrived already if this process was late.
    const timer = setTimeout(() => setImmediate(() => resolve(false)), patienceMs);
    socket.on('connect', () => resolve(true));
    socket.on('error', thrown => {
      if ('code' in thrown && thrown.code === 'ECONNREFUSED') resolve(true);
    });
    promise.then(answered => {
      clearTimeout(timer);
      socket.destroy();
      settle(at, answered);
    });
  };
  setInterval(ask, everyMs);
}

for (const [index, source] of sources.entries()) follow(source, index);
