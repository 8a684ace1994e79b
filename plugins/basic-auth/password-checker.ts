// PasswordChecker: asks the thread that checks passwords, which it starts with the first question.
import type { Worker } from 'node:worker_threads';
import { siblingModule } from '../../core/process/sibling-module.ts';
import type { PasswordHash } from './password-hash.ts';

/** What the thread is asked. */
export interface CheckQuestion {
  readonly password: string;
  readonly hash: PasswordHash;
}

/** What it answers. */
export interface CheckAnswer {
  readonly matches: boolean;
}

/** Says whether a password is that of a hash; asked again only when it has answered. */
export interface PasswordChecker {
  /** Rejects when it cannot be said. */
  matches(question: CheckQuestion): Promise<boolean>;
  close(): void;
}

/** The checker of production: a hash takes some 100 ms of CPU, in which the event loop goes on. */
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
    // Not imported: no worker without a password needs it.
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

  /** The next question starts another one. */
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
