// The thread of stack-watch.ts: pauses the main thread when it hangs, writes its stack to the log, lets it continue.
import { writeSync } from 'node:fs';
import { type Debugger, Session } from 'node:inspector';
import { workerData } from 'node:worker_threads';
import type { StackWatchData } from './stack-watch.ts';

const lookInterval = 1_000;
/** Checks without a beat after which the main thread counts as hanging: long before the manager kills it. */
const looksUntilHung = 5;
/** Innermost frames that are logged: a pipe takes lines of up to 4 KB in one piece. */
const maxFrames = 20;
const stdout = 1;
const pinoError = 50;

const { worker, beats }: StackWatchData = workerData;
let seen = 0;
let looks = 0;

// Counted in checks, not in time: a stopped process stops as a whole. This timer keeps the thread alive.
setInterval(() => {
  const now = Atomics.load(beats, 0);
  looks = now === seen ? looks + 1 : 0;
  seen = now;
  if (looks === looksUntilHung) takeStack();
}, lookInterval);

/** The session is inside the process: it opens no port. */
function takeStack(): void {
  const session = new Session();
  const urls = new Map<string, string>();
  session.connectToMainThread();
  session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url));
  session.on('Debugger.paused', ({ params }) => {
    session.post('Debugger.resume');
    session.post('Debugger.disable', () => session.disconnect());
    writeLine(params.callFrames.map(frame => describeFrame(frame, urls)));
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
}

function describeFrame({ functionName, location }: Debugger.CallFrame, urls: Map<string, string>): string {
  const line = location.lineNumber + 1;
  const column = (location.columnNumber ?? 0) + 1;
  return `at ${functionName || '(anonymous)'} (${urls.get(location.scriptId) ?? 'unknown'}:${line}:${column})`;
}

/** Writes what pino would, bypassing the main thread, which normally writes a thread's output. */
function writeLine(frames: readonly string[]): void {
  const record = {
    level: pinoError,
    time: new Date().toISOString(),
    worker,
    pid: process.pid,
    stack: frames.slice(0, maxFrames),
    msg: 'the event loop of the worker has not turned for 5 s: this is where it is',
  };
  try {
    writeSync(stdout, `${JSON.stringify(record)}\n`);
  } catch {
    // The pipe is full: the line is lost, like any other line.
  }
}
