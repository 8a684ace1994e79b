// Succession: a Weldr that is started anew on this machine takes the place of the one that runs, with its sockets.
//
// The old process starts the new one and hands it the listening sockets. When the new one has read its config it says
// `prepared`; the plugins of the old manager end, so that files, leases and the admin API are free, and it tells what
// it knew (`heritage`). When the new one serves it says `ready`, and the old one drains. Its workers answer all along.
import type { ChildProcess, SendHandle } from 'node:child_process';
import { WeldrError } from '../errors.ts';
import type { EventHeritage } from '../events/event-log.ts';
import type { Heritage as PoolsHeritage } from '../pool/managed-pools.ts';
import type { HeldSocket } from './held-sockets.ts';

/** Of what both say here. Another version of Weldr may stand at the other end. */
const format = 1;

/** The variable that tells a process whose place it takes: the pid of the old one. */
export const successorVariable = 'WELDR_SUCCEEDS';

/** All that only the old process knows. */
export interface Heritage extends PoolsHeritage {
  /** Keys of TLS sessions, base64. */
  readonly ticketKeys: string;
  /** Not told by older versions. */
  readonly events?: EventHeritage;
}

/** From the old process to the new one; the socket is the handle that goes with its message. */
type PredecessorMessage =
  | { readonly type: 'socket'; readonly address: string; readonly listenedAs: string | undefined }
  | { readonly type: 'sockets'; readonly format: number; readonly version: string }
  | { readonly type: 'heritage'; readonly heritage: Heritage };

/** From the new process to the old one. */
type SuccessorMessage = { readonly type: 'prepared' } | { readonly type: 'ready'; readonly version: string };

/** How long a successor may take to read its config, and then to serve, ms. */
const stepTimeout = 60_000;

/** The new process, as the old one sees it. */
export class Successor {
  private readonly child: ChildProcess;
  private readonly preparing = Promise.withResolvers<void>();
  private readonly starting = Promise.withResolvers<string>();
  private readonly ending = Promise.withResolvers<void>();

  constructor(child: ChildProcess) {
    this.child = child;
    for (const { promise } of [this.preparing, this.starting]) promise.catch(() => {});
    child.on('message', (message: SuccessorMessage) => {
      if (message.type === 'prepared') this.preparing.resolve();
      if (message.type === 'ready') this.starting.resolve(message.version);
    });
    const ended = (how: string): void => {
      const error = new WeldrError('UPGRADE_FAILED', `the new process ${how}`);
      this.preparing.reject(error);
      this.starting.reject(error);
      this.ending.resolve();
    };
    child.on('error', error => ended(`could not be started: ${error.message}`));
    child.on('exit', (code, signal) =>
      ended(`ended before it served, with ${signal ?? `exit code ${code}`}; what it said is on stderr`),
    );
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Hands it the sockets, and resolves when it has read its config. Rejects with UPGRADE_FAILED. */
  async prepare(sockets: Iterable<HeldSocket>, version: string): Promise<void> {
    for (const { address, listenedAs, handle } of sockets) {
      this.send({ type: 'socket', address, listenedAs }, handle);
    }
    this.send({ type: 'sockets', format, version });
    await this.inTime(this.preparing.promise, 'has not read its config');
  }

  /** Tells it what is known, now that nothing stands in its way; resolves with its version when it serves. */
  async succeed(heritage: Heritage): Promise<string> {
    this.send({ type: 'heritage', heritage });
    const version = await this.inTime(this.starting.promise, 'does not serve');
    this.child.disconnect();
    this.child.unref();
    return version;
  }

  /** Ends it; resolves when it has. */
  async end(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ending.promise;
  }

  private send(message: PredecessorMessage, handle?: SendHandle): void {
    if (this.child.connected) this.child.send(message, handle, {}, () => {});
  }

  private async inTime<T>(step: Promise<T>, what: string): Promise<T> {
    const late = Promise.withResolvers<never>();
    const problem = `the new process ${what} after ${stepTimeout / 1000} s`;
    const timer = setTimeout(() => late.reject(new WeldrError('UPGRADE_FAILED', problem)), stepTimeout);
    try {
      return await Promise.race([step, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The old process, as the new one sees it. */
export class Predecessor {
  readonly sockets: readonly HeldSocket[];
  private readonly inheriting = Promise.withResolvers<Heritage>();

  private constructor(sockets: readonly HeldSocket[]) {
    this.sockets = sockets;
    process.on('message', (message: PredecessorMessage) => {
      if (message.type === 'heritage') this.inheriting.resolve(message.heritage);
    });
    // Without it nothing stands in the way, either.
    process.once('disconnect', () => this.inheriting.resolve({ rows: [], health: [], ticketKeys: '' }));
  }

  /** The process whose place this one was started to take; undefined: none. Rejects with UPGRADE_FAILED. */
  static async meet(env: NodeJS.ProcessEnv): Promise<Predecessor | undefined> {
    const succeeds = env[successorVariable] !== undefined && process.send !== undefined;
    delete env[successorVariable];
    if (!succeeds) return undefined;
    const met = Promise.withResolvers<Predecessor>();
    const sockets: HeldSocket[] = [];
    const receive = (message: PredecessorMessage, handle: SendHandle | undefined): void => {
      if (message.type === 'socket') {
        sockets.push({ address: message.address, listenedAs: message.listenedAs, handle });
      } else if (message.type === 'sockets') {
        process.off('message', receive);
        if (message.format === format) met.resolve(new Predecessor(sockets));
        else met.reject(new WeldrError('UPGRADE_FAILED', strange(message.version)));
      }
    };
    process.on('message', receive);
    return await met.promise;
  }

  /** Says that all is ready but what the old process holds; resolves when it holds nothing any more. */
  async release(): Promise<Heritage> {
    this.send({ type: 'prepared' });
    return await this.inheriting.promise;
  }

  /** Says that this process serves, and is all that is needed. */
  replace(version: string): void {
    this.send({ type: 'ready', version });
  }

  private send(message: SuccessorMessage): void {
    if (process.connected) process.send?.(message, undefined, {}, () => {});
  }
}

const strange = (version: string): string =>
  `the Weldr that runs is version ${version}, which hands over in a way that this one does not know; stop it and start this one`;
