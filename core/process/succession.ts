// Succession: a new Weldr process on this machine takes the place of the running one, with its sockets.
//
// The old process starts the new one and hands it the listening sockets. When the new one has read its config it says
// `prepared`; the plugins of the old manager end, so that files, leases and the admin API are free, and it sends what
// it knows (`heritage`). When the new one serves it says `ready`, and the old one drains. The old workers take requests
// throughout, so changes made at the new one in the meantime are sent to the old one (`changes`), which confirms when its
// workers have applied them (`followed`).
import type { ChildProcess, SendHandle } from 'node:child_process';
import { WeldrError } from '../errors.ts';
import type { EventHeritage } from '../events/event-log.ts';
import type { Heritage as PoolsHeritage } from '../pool/managed-pools.ts';
import type { Batch } from '../state/row.ts';
import type { HeldSocket } from './held-sockets.ts';

/** The version of these messages. Another version of Weldr may be at the other end. */
const format = 1;

/** The variable that holds the pid of the process that this one replaces. */
export const successorVariable = 'WELDR_SUCCEEDS';

/** Everything that only the old process knows. */
export interface Heritage extends PoolsHeritage {
  /** Keys of TLS sessions, base64. */
  readonly ticketKeys: string;
  /** Absent from older versions. */
  readonly events?: EventHeritage;
}

/** From the old process to the new one; a socket is the handle of its message. */
type PredecessorMessage =
  | { readonly type: 'socket'; readonly address: string; readonly listenedAs: string | undefined }
  | { readonly type: 'sockets'; readonly format: number; readonly version: string }
  | { readonly type: 'heritage'; readonly heritage: Heritage }
  /** The workers of the old process have applied all changes up to this one. */
  | { readonly type: 'followed'; readonly number: number };

/** From the new process to the old one. */
type SuccessorMessage =
  | { readonly type: 'prepared' }
  | { readonly type: 'ready'; readonly version: string }
  | { readonly type: 'changes'; readonly number: number; readonly batch: Batch };

/** How long a successor may take to read its config, and then to serve, ms. */
const stepTimeout = 60_000;
/** How long a change waits for the old process to apply it, ms. */
const longestFollowing = 5_000;

/** The new process, as the old one sees it. */
export class Successor {
  private readonly child: ChildProcess;
  private readonly follow: (batch: Batch) => Promise<void>;
  private readonly preparing = Promise.withResolvers<void>();
  private readonly starting = Promise.withResolvers<string>();
  private readonly ending = Promise.withResolvers<void>();

  /** `follow` resolves when the workers of this process have applied changes that were made at the new one. */
  constructor(child: ChildProcess, follow: (batch: Batch) => Promise<void>) {
    this.child = child;
    this.follow = follow;
    for (const { promise } of [this.preparing, this.starting]) promise.catch(() => {});
    child.on('message', (message: SuccessorMessage) => {
      if (message.type === 'prepared') this.preparing.resolve();
      if (message.type === 'ready') this.starting.resolve(message.version);
      if (message.type === 'changes') void this.followed(message.number, this.follow(message.batch));
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

  /** Sends what this process knows, once it has released everything; resolves with the new version once it serves. */
  async succeed(heritage: Heritage): Promise<string> {
    this.send({ type: 'heritage', heritage });
    const version = await this.inTime(this.starting.promise, 'does not serve');
    // Its later messages are received while this process has workers.
    this.child.channel?.unref();
    this.child.unref();
    return version;
  }

  /** Kills it; resolves when it has ended. */
  async end(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ending.promise;
  }

  private async followed(number: number, done: Promise<void>): Promise<void> {
    await done;
    this.send({ type: 'followed', number });
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
  /** The numbers of the last change that it was sent, and of the last that its workers have applied. */
  private told = 0;
  private followed = 0;
  private readonly looks = new Set<() => void>();

  private constructor(sockets: readonly HeldSocket[]) {
    this.sockets = sockets;
    process.on('message', (message: PredecessorMessage) => {
      if (message.type === 'heritage') this.inheriting.resolve(message.heritage);
      if (message.type === 'followed') this.follows(message.number);
    });
    process.once('disconnect', () => {
      // A process that is gone holds nothing.
      this.inheriting.resolve({ rows: [], health: [], ticketKeys: '' });
      this.follows(Number.POSITIVE_INFINITY);
    });
    process.channel?.unref();
  }

  /** Returns the process that this one was started to replace; undefined: none. Rejects with UPGRADE_FAILED. */
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

  /** Says that everything is ready except what the old process holds; resolves when it has released that. */
  async release(): Promise<Heritage> {
    this.send({ type: 'prepared' });
    return await this.inheriting.promise;
  }

  /** Says that this process serves, so that the old one can drain. */
  replace(version: string): void {
    this.send({ type: 'ready', version });
  }

  /** Sends a change to its workers, which take requests until this process serves and then finish them. */
  tell(batch: Batch): void {
    this.told++;
    this.send({ type: 'changes', number: this.told, batch });
  }

  /** Resolves when its workers have applied all changes, or it is gone; `false`: it did not confirm in time. */
  async settled(): Promise<boolean> {
    const wanted = this.told;
    if (this.followed >= wanted) return true;
    const done = Promise.withResolvers<boolean>();
    const look = (): void => {
      if (this.followed >= wanted) done.resolve(true);
    };
    this.looks.add(look);
    const timer = setTimeout(done.resolve, longestFollowing, false);
    try {
      return await done.promise;
    } finally {
      clearTimeout(timer);
      this.looks.delete(look);
    }
  }

  private follows(number: number): void {
    this.followed = Math.max(this.followed, number);
    for (const look of [...this.looks]) look();
  }

  private send(message: SuccessorMessage): void {
    if (process.connected) process.send?.(message, undefined, {}, () => {});
  }
}

const strange = (version: string): string =>
  `the running Weldr is version ${version}, from which this version cannot take over; stop it and start this one`;
