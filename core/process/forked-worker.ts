// A worker in a separate process: both ends of its link, over Node's IPC channel.
import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { ProcessLog } from '../log/log.ts';
import { beatInterval } from './heartbeat.ts';
import type { ManagerLink, WorkerLink } from './links.ts';
import type { ManagerMessage, WorkerMessage } from './messages.ts';

/** Messages that may wait for the other end. Beyond that, plugins' messages are dropped. */
const maxWaiting = 1_000;
/** Beyond this a worker has stopped reading: it is killed, and its replacement starts from a snapshot. */
const maxWaitingForWorker = 10_000;
/** How long the manager waits for the last lines of a worker that has ended, ms. */
const lastLinesTimeout = 200;
/**
 * A worker has one core, which V8's collector would share with three helper threads: a collection waited for threads that
 * waited for the core. Without them, and with a young generation of 8 MB, it takes 2 ms instead of 5 to 15 (with a new
 * connection for each request p99 fell from 12 to 20 ms to 7). The flags that Node was started with take precedence.
 */
const collectorFlags = ['--single-threaded-gc', '--max-semi-space-size=8'];
/** How long an ending worker waits for its last messages to leave, ms. */
const lastWordsTimeout = 1_000;

/**
 * Starts a worker process; `entry` is the path of the module that it runs. `processLog` returns this process's log
 * once it is open.
 */
export function forkWorker(entry: string, processLog: () => ProcessLog | undefined): WorkerLink {
  // If stdout were shared, each process that starts or ends would switch it to blocking writes for all of them.
  const child = fork(entry, [], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // The last flag takes effect at once, before the worker has its own listener.
    execArgv: [...collectorFlags, ...process.execArgv, '--disable-sigusr1'],
  });
  passLines(child.stdout, lines => void processLog()?.forward(lines));
  readLines(child.stderr, line => process.stderr.write(`${line}\n`));
  let waiting = 0;
  let dropped = 0;
  const sent = (): void => {
    waiting--;
    if (waiting === 0 && dropped > 0) {
      processLog()?.log.warn({ dropped }, 'plugin messages to a slow worker were dropped');
      dropped = 0;
    }
  };
  return {
    pid: child.pid,
    beats: true,
    send(message, socket) {
      if (!child.connected) return;
      if (message.type === 'plugin' && waiting >= maxWaiting) {
        dropped++;
        return;
      }
      if (waiting >= maxWaitingForWorker) {
        processLog()?.log.error('the worker does not read its messages; it is ended');
        child.kill('SIGKILL');
        return;
      }
      waiting++;
      child.send(message, socket, {}, sent);
    },
    onMessage(listener) {
      child.on('message', message => listener(message as WorkerMessage));
    },
    onExit: endOf(child),
    kill() {
      child.kill('SIGKILL');
    },
  };
}

/** Returns a function that adds a listener for the end of a process, or for the failure to start it. */
function endOf(child: ChildProcess): WorkerLink['onExit'] {
  const listeners: ((how: string) => void)[] = [];
  let ended: string | undefined;
  const end = (how: string): void => {
    if (ended !== undefined) return;
    ended = how;
    for (const listener of listeners) listener(how);
  };
  child.on('error', error => {
    // Without a process there is no exit event.
    if (child.pid === undefined) end(`could not be started: ${error.message}`);
  });
  const describe = (code: number | null, signal: string | null): string =>
    signal === null ? `exit code ${code}` : `signal ${signal}`;
  // `close` comes when its last lines have been read; a process that it started may hold it back.
  child.on('close', (code, signal) => end(describe(code, signal)));
  child.on('exit', (code, signal) => setTimeout(() => end(describe(code, signal)), lastLinesTimeout));
  return listener => {
    if (ended === undefined) listeners.push(listener);
    else setImmediate(listener, ended);
  };
}

/**
 * Returns the link of this process to the manager that forked it. `beforeExit` runs last, and must not reject. Throws an
 * Error when the process was not forked.
 */
export function managerLink(beforeExit: () => Promise<void>): ManagerLink {
  const send = process.send?.bind(process);
  if (send === undefined) throw new Error('this module is started by `weldr start`, not by hand');
  let waiting = 0;
  let ending: number | undefined;
  let beatWaits = false;
  const exit = (code: number): void => {
    void beforeExit().then(() => process.exit(code));
  };
  const sent = (): void => {
    waiting--;
    if (ending !== undefined && waiting === 0) exit(ending);
  };
  return {
    send(message) {
      if (!process.connected) return;
      if (message.type === 'plugin' && waiting >= maxWaiting) return;
      waiting++;
      send(message, undefined, {}, sent);
    },
    beat(requests) {
      const beatSent = (): void => {
        beatWaits = false;
        sent();
      };
      setInterval(() => {
        // A manager that was not reading finds one beat, not all that it missed.
        if (beatWaits || ending !== undefined || !process.connected) return;
        beatWaits = true;
        waiting++;
        send({ type: 'beat', requests: requests() }, undefined, {}, beatSent);
      }, beatInterval).unref();
    },
    onMessage(listener) {
      process.on('message', (message, socket) => listener(message as ManagerMessage, socket));
    },
    onDisconnect(listener) {
      process.once('disconnect', listener);
    },
    end(code) {
      if (waiting === 0) exit(code);
      ending = code;
      setTimeout(exit, lastWordsTimeout, code);
    },
  };
}

/** The most characters of an incomplete line that are kept. */
const maxLine = 1024 * 1024;

/** Passes on whole lines, as many at a time as have arrived: an access log has many. */
function passLines(stream: Readable | null, use: (lines: string) => void): void {
  if (stream === null) return;
  let rest = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    const end = text.lastIndexOf('\n') + 1;
    if (end === 0 && rest.length < maxLine) rest += text;
    else {
      use(rest + (end === 0 ? `${text}\n` : text.slice(0, end)));
      rest = end === 0 ? '' : text.slice(end);
    }
  });
  stream.on('end', () => {
    if (rest !== '') use(`${rest}\n`);
  });
}

function readLines(stream: Readable | null, use: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', use);
}
