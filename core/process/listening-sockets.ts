// The listening sockets of this Weldr. The manager holds them and never accepts from them, so that what waits in
// their backlog survives the death of every worker.
import { type ChildProcess, fork, type SendHandle } from 'node:child_process';
import { WeldrError } from '../errors.ts';
import { parseListen } from '../settings/settings.ts';
import { siblingModule } from './sibling-module.ts';

/** Connections that may wait to be accepted; the system may allow fewer (Linux: net.core.somaxconn). */
export const backlog = 4096;

interface OpenAddress {
  readonly host: string;
  readonly port: number;
  readonly backlog: number;
}

/** To the process that opens sockets. */
export type OpenerMessage =
  | ({ readonly type: 'open'; readonly request: number } & OpenAddress)
  /** Send the handle back: what comes is a second one of the same socket. */
  | { readonly type: 'copy'; readonly request: number };

/** Its answers; the socket is the handle that goes with `opened`. */
export type OpenedMessage =
  | { readonly type: 'opened'; readonly request: number; readonly port: number }
  | { readonly type: 'failed'; readonly request: number; readonly errno: string; readonly message: string };

/** One listening socket. */
export interface ListeningSocket {
  /** As the config says it. */
  readonly configured: string;
  /** Where it really listens: the port 0 of the config replaced. */
  readonly address: string;
  readonly handle: SendHandle;
}

/** The sockets by the addresses that the config names. */
export class ListeningSockets {
  private readonly open = new Map<string, ListeningSocket>();

  get(configured: string): ListeningSocket | undefined {
    return this.open.get(configured);
  }

  /**
   * Opens those of the addresses that are not open yet and returns them; all or none. Rejects with LISTEN_FAILED and
   * what to do about it.
   */
  async add(addresses: readonly string[]): Promise<ListeningSocket[]> {
    const missing = [...new Set(addresses)].filter(address => !this.open.has(address));
    if (missing.length === 0) return [];
    const opener = new Opener();
    const opened: ListeningSocket[] = [];
    try {
      for (const configured of missing) opened.push(await openSocket(opener, configured));
    } catch (thrown) {
      for (const socket of opened) closeHandle(socket.handle);
      throw thrown;
    } finally {
      opener.end();
    }
    for (const socket of opened) this.open.set(socket.configured, socket);
    return opened;
  }

  /** A second handle of each socket, for who closes it independently of this process. */
  async copies(addresses: readonly string[]): Promise<ListeningSocket[]> {
    const opener = new Opener();
    try {
      const copies: ListeningSocket[] = [];
      for (const configured of addresses) {
        const socket = this.open.get(configured);
        if (socket === undefined) continue;
        const { handle } = await opener.ask(request => ({ type: 'copy', request }), socket.handle);
        copies.push({ ...socket, handle });
      }
      return copies;
    } finally {
      opener.end();
    }
  }

  /** Closes all sockets but those of these addresses. */
  keep(addresses: readonly string[]): void {
    for (const [configured, { handle }] of this.open) {
      if (addresses.includes(configured)) continue;
      this.open.delete(configured);
      closeHandle(handle);
    }
  }
}

/** Lets go of a handle that came by IPC. */
export function closeHandle(handle: SendHandle): void {
  if (handle !== undefined && 'close' in handle) handle.close();
}

async function openSocket(opener: Opener, configured: string): Promise<ListeningSocket> {
  const target = parseListen(configured);
  if (target === undefined) throw new WeldrError('LISTEN_FAILED', `${configured} is no address`);
  const { answer, handle } = await opener.ask(request => ({ type: 'open', request, ...target, backlog }));
  if (answer.type === 'failed') {
    throw new WeldrError('LISTEN_FAILED', `cannot listen on ${configured}: ${explain(answer)}`);
  }
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return { configured, address: `${host}:${answer.port}`, handle };
}

function explain({ errno, message }: OpenedMessage & { type: 'failed' }): string {
  if (errno === 'EADDRINUSE') {
    return 'the port is taken by another process; stop that, or listen on another one (--ip, WELDR_LISTEN, `listen` in the config)';
  }
  if (errno === 'EACCES') {
    return 'this user may not listen on that port; take one from 1024 up, or grant CAP_NET_BIND_SERVICE';
  }
  if (errno === 'EADDRNOTAVAIL') return 'this machine has no such address';
  return message;
}

interface Answer {
  readonly answer: OpenedMessage;
  readonly handle: SendHandle;
}

/** A short-lived process that opens sockets. */
class Opener {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, PromiseWithResolvers<Answer>>();
  private requests = 0;

  constructor() {
    this.child = fork(siblingModule('socket-opener', import.meta.url), [], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.child.on('message', (message, handle) => {
      const answer = message as OpenedMessage;
      this.waiting.get(answer.request)?.resolve({ answer, handle });
      this.waiting.delete(answer.request);
    });
    const fail = (why: string): void => {
      for (const { reject } of this.waiting.values()) reject(new WeldrError('LISTEN_FAILED', why));
      this.waiting.clear();
    };
    this.child.on('error', error => fail(`cannot start a process to open sockets: ${error.message}`));
    this.child.on('exit', () => fail('the process that opens sockets ended early'));
  }

  async ask(message: (request: number) => OpenerMessage, handle?: SendHandle): Promise<Answer> {
    const request = ++this.requests;
    const answered = Promise.withResolvers<Answer>();
    this.waiting.set(request, answered);
    this.child.send(message(request), handle, {}, error => {
      if (error !== null) answered.reject(error);
    });
    return await answered.promise;
  }

  end(): void {
    if (this.child.connected) this.child.disconnect();
  }
}
