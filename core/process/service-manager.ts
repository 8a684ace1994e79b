// ServiceManager: notifies systemd of this process's state (sd_notify(3)), so that a unit of Type=notify knows when it is ready.
import { execFile } from 'node:child_process';

/** `ready` follows a start or a reload; the others precede a reload or the end. */
export type ServiceState = 'ready' | 'reloading' | 'stopping';

/** How long one message may take, ms. */
const noticeTimeout = 5_000;

/** The link to the service manager that started this process; does nothing without one. */
export class ServiceManager {
  private readonly isThere: boolean;
  private readonly report: (problem: string) => void;
  private last: Promise<void> = Promise.resolve();
  private hasReported = false;

  /** `report` is called once when messages cannot be sent. */
  constructor(env: NodeJS.ProcessEnv, report: (problem: string) => void) {
    this.isThere = (env['NOTIFY_SOCKET'] ?? '') !== '';
    this.report = report;
  }

  /** Sends a state, and a sentence that `systemctl status` shows. Messages leave in order. */
  tell(state: ServiceState, status: string): void {
    if (!this.isThere) return;
    const fields = [...fieldsOf(state), `STATUS=${status.replaceAll('\n', ' ')}`];
    this.last = this.last.then(() => this.send(fields));
  }

  /** Resolves when all messages have left. */
  async flush(): Promise<void> {
    await this.last;
  }

  // Node has no unix datagram sockets.
  private async send(fields: readonly string[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    execFile('systemd-notify', fields, { timeout: noticeTimeout }, error => {
      if (error !== null && !this.hasReported) {
        this.hasReported = true;
        this.report(
          `the service manager cannot be told that Weldr is ready: ${error.message.trim()}; install systemd-notify, or set Type=exec in the unit`,
        );
      }
      resolve();
    });
    await promise;
  }
}

function fieldsOf(state: ServiceState): string[] {
  // After an upgrade this is not the process that systemd started.
  if (state === 'ready') return ['READY=1', `MAINPID=${process.pid}`];
  if (state === 'stopping') return ['STOPPING=1'];
  return ['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`];
}
