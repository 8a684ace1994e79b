// PasswordChecker: the interface to the thread that checks passwords, which starts with the first check.
import type { Worker } from 'node:worker_threads';
import { siblingModule } from '../../core/process/sibling-module.ts';
import type { PasswordHash } from './password-hash.ts';

/** A message to the thread. */
export interface CheckQuestion {
  readonly password: string;
  readonly hash: PasswordHash;
}

/** A message from the thread. */
export interface CheckAnswer {
  readonly matches: boolean;
}

/** Checks passwords against hashes, one at a time: the next call has to wait until the last one is settled. */
export interface PasswordChecker {
  /** Rejects when the check fails. */
  matches(question: CheckQuestion): Promise<boolean>;
  close(): void;
}

/** Checks in a thread: a hash takes about 100 ms of CPU, which would block the event loop. */
export class ThreadChecker implements PasswordChecker {
  private thread: Worker | undefined;
  private pending: PromiseWithResolvers<boolean> | undefined;

  matches(question: CheckQuestion): Promise<boolean> {
    this.pending = Promise.withResolvers();
    this.thread ??= this.start();
    this.thread.postMessage(question);
    return this.pending.promise;
  }

  close(): void {
    const { thread } = this;
    this.thread = undefined;
    this.end(new Error('the plugin was closed'));
    thread?.terminate();
  }

  private start(): Worker {
    // Not imported statically: workers without a password do not need it.
    const { Worker } = process.getBuiltinModule('node:worker_threads');
    const thread = new Worker(siblingModule('password-thread', import.meta.url), { execArgv: [] });
    thread.unref();
    thread.on('message', ({ matches }: CheckAnswer) => {
      this.pending?.resolve(matches);
      this.pending = undefined;
    });
    thread.on('error', error => this.lose(thread, error));
    thread.on('exit', () => this.lose(thread, new Error('the thread that checks passwords has ended')));
    return thread;
  }

  /** Drops a thread that has ended; the next check starts another one. */
  private lose(thread: Worker, error: unknown): void {
    if (this.thread !== thread) return;
    this.thread = undefined;
    this.end(error);
  }

  private end(error: unknown): void {
    this.pending?.reject(error);
    this.pending = undefined;
  }
}
