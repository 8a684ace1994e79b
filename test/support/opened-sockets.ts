// Listening sockets for Weldrs that run in the test's process, all opened by one child process: a Weldr by itself starts one
// for each.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { HeldSockets } from '../../core/process/held-sockets.ts';
import type { OpenedMessage, OpenerMessage } from '../../core/process/listening-sockets.ts';
import { closeHandle } from '../../core/process/socket-handle.ts';

/** The child process; `close` it at the end. */
export class OpenedSockets {
  private readonly opener: ChildProcess = fork(
    new URL('../../core/process/socket-opener.ts', import.meta.url),
  );
  private count = 0;

  /** A socket on a free port of 127.0.0.1: where it listens, in a form that a Weldr takes it in, and its end. */
  async open(): Promise<{ port: number; held: HeldSockets; close(): void }> {
    const request = this.count++;
    const wish: OpenerMessage = {
      type: 'open',
      request,
      target: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      backlog: 100,
    };
    this.opener.send(wish);
    const [answer, handle]: [OpenedMessage, never] = (await once(this.opener, 'message')) as [
      OpenedMessage,
      never,
    ];
    if (answer.type === 'failed' || answer.request !== request) throw new Error(JSON.stringify(answer));
    const { port } = answer;
    const held = new HeldSockets([{ address: `127.0.0.1:${port}`, handle, listenedAs: undefined }]);
    return { port, held, close: () => closeHandle(handle) };
  }

  async close(): Promise<void> {
    const exited = once(this.opener, 'exit');
    this.opener.disconnect();
    await exited;
  }
}
