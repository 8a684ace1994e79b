// CallLog: logs the calls of the admin API, and those that it refused.
import type { Logger } from 'pino';
import { type ErrorCode, WeldrError } from '../../core/errors.ts';
import type { RefusalLog } from '../../core/log/refusal-log.ts';

/** Errors that refuse the caller. Those about what it asks for are logged as answers. */
const refusals: ReadonlySet<ErrorCode> = new Set(['UNAUTHORIZED', 'FORBIDDEN', 'OVERLOADED']);

/** A call as it is logged. */
export interface LoggedCall {
  readonly method: string | undefined;
  readonly url: string;
  readonly from: string | undefined;
  /** Who made it; undefined: it was not let in. */
  readonly by: string | undefined;
}

/** Reads are logged at `debug`, changes at `info`, refusals at `warn` and bounded in number. */
export class CallLog {
  private readonly log: Logger;
  private readonly refusals: RefusalLog;

  constructor(log: Logger, refusals: RefusalLog) {
    this.log = log;
    this.refusals = refusals;
  }

  answered({ method, url: path, from, by }: LoggedCall, status: number): void {
    const level = method === 'GET' || method === 'HEAD' ? 'debug' : 'info';
    this.log[level]({ method, path, status, from, by }, `${method} ${path} ${status}`);
  }

  /** Logs a call that was answered with an error. */
  failed(call: LoggedCall, status: number, thrown: unknown): void {
    if (!(thrown instanceof WeldrError) || !refusals.has(thrown.code)) {
      this.answered(call, status);
      return;
    }
    const { method, url, from } = call;
    // A query may hold a secret.
    const path = (url.split('?')[0] ?? '').slice(0, 200);
    this.refusals.note({ method, path, status, from }, `refused ${method} ${path}: ${thrown.message}`);
  }
}
