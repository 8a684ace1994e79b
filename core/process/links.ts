// The link between the manager and one worker, seen from each end. Messages are JSON and arrive in order.
import type { SendHandle } from 'node:child_process';
import type { ManagerMessage, WorkerMessage } from './messages.ts';

/** The manager's end. */
export interface WorkerLink {
  /** Process id; undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Whether the worker sends beats, so that its silence means something. */
  readonly beats: boolean;
  send(message: ManagerMessage, socket?: SendHandle): void;
  onMessage(listener: (message: WorkerMessage) => void): void;
  /** Called once, when the worker has ended; `how` is for the log. */
  onExit(listener: (how: string) => void): void;
  /** Ends it at once. */
  kill(): void;
}

/** The worker's end. */
export interface ManagerLink {
  send(message: WorkerMessage): void;
  /** Sends beats from now on if the manager is another process; each carries `requests()`. */
  beat(requests: () => number): void;
  onMessage(listener: (message: ManagerMessage, socket: SendHandle | undefined) => void): void;
  /** Called once, when the manager is gone. */
  onDisconnect(listener: () => void): void;
  /** Ends the worker after everything sent has left. */
  end(code: number): void;
}
