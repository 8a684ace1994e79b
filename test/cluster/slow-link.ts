// A relay that makes a link slow: `node slow-link.ts PORT HOST TO-PORT DELAY JITTER` (ms). Data that arrives at PORT
// is sent to HOST:TO-PORT that much later, and the other way round, in order as in TCP.
import { connect, createServer, type Socket } from 'node:net';

const [port = '', host = '', toPort = '', delay = '', jitter = ''] = process.argv.slice(2);

/** Returns when a chunk that has just arrived is due, never before the previous one. */
function dueAfter(last: number): number {
  const spread = (2 * Math.random() - 1) * Number(jitter);
  return Math.max(last, performance.now() + Number(delay) + spread);
}

function pass(from: Socket, to: Socket): void {
  let last = 0;
  const waiting: (() => void)[] = [];
  const later = (act: () => void) => {
    last = dueAfter(last);
    waiting.push(act);
    // Timers of nearly the same time may fire in any order; the chunks keep their order.
    setTimeout(() => waiting.shift()?.(), last - performance.now());
  };
  from.on('data', data => later(() => to.write(data)));
  from.on('end', () => later(() => to.end()));
  from.on('error', () => {});
  from.on('close', () => later(() => to.destroy()));
}

createServer({ allowHalfOpen: true }, near => {
  const far = connect({ host, port: Number(toPort), allowHalfOpen: true });
  near.setNoDelay(true);
  far.setNoDelay(true);
  pass(near, far);
  pass(far, near);
}).listen(Number(port), '0.0.0.0', () => console.log('ready'));
