// The listening sockets of this Weldr. The manager holds them and never accepts from them, so that what waits in
// their backlog survives the death of every worker.
import { type ChildProcess, fork, type SendHandle } from 'node:child_process';
import { rmSync } from 'node:fs';
import { WeldrError } from '../errors.ts';
import { addressOf, type Listen, type ListenTarget } from '../settings/listen.ts';
import { fileOf, type HeldSocket, HeldSockets } from './held-sockets.ts';
import { siblingModule } from './sibling-module.ts';
import { besides, explainPath, listenFailed, SocketFile } from './socket-file.ts';
import { closeHandle } from './socket-handle.ts';
import { dropNewConnections, takeNewConnections } from './syn-filter.ts';

/** Connections that may wait to be accepted; the system may allow fewer (Linux: net.core.somaxconn). */
const backlog = 4096;

/** Sent to the process that opens sockets. */
export type OpenerMessage =
  | {
      readonly type: 'open';
      readonly request: number;
      readonly target: ListenTarget;
      readonly backlog: number;
    }
  /** Send the handle back: it arrives as a second handle of the same socket. */
  | { readonly type: 'copy'; readonly request: number };

/** Sent back; `opened` carries the socket as its handle. */
export type OpenedMessage =
  | { readonly type: 'opened'; readonly request: number; readonly port: number }
  | { readonly type: 'failed'; readonly request: number; readonly errno: string; readonly message: string };

/** One listening socket. */
export interface ListeningSocket {
  /** The entry of the config. */
  readonly listen: Listen;
  /** The actual address, with a port 0 of the config replaced. */
  readonly address: string;
  readonly handle: SendHandle;
  /** Only for a unix socket. */
  readonly file: SocketFile | undefined;
  /** The held socket that it came from, while another process owns it. */
  readonly held?: HeldSocket;
}

/** The open sockets, by the addresses that the config names. */
export class ListeningSockets {
  private readonly open = new Map<string, ListeningSocket>();
  private readonly held: HeldSockets;

  /** `held`: sockets that are used instead of opening one, if an entry names their address. */
  constructor(held = new HeldSockets()) {
    this.held = held;
  }

  /** Returns all sockets, for another process to take. */
  *asHeld(): Generator<HeldSocket> {
    for (const { listen, address, handle, held } of this.open.values()) {
      yield held ?? { address, handle, listenedAs: listen.address };
    }
    yield* this.held;
  }

  /** Returns the open sockets of these entries. */
  of(listens: readonly Listen[]): ListeningSocket[] {
    return listens.flatMap(({ address }) => this.open.get(address) ?? []);
  }

  /**
   * Opens the entries that are not open yet; all or none. Rejects with LISTEN_FAILED and what to do about it.
   */
  async add(listens: readonly Listen[]): Promise<void> {
    const opened: ListeningSocket[] = [];
    const missing: Listen[] = [];
    for (const listen of listens) {
      if (this.open.has(listen.address)) continue;
      const held = this.held.take(listen.address, listen.target);
      if (held === undefined) missing.push(listen);
      else opened.push(this.adopted(listen, held));
    }
    try {
      const before = this.of([...this.open.values()].map(({ listen }) => listen));
      if (missing.length > 0) await bindAndName(missing, opened, before);
    } catch (thrown) {
      for (const socket of opened) this.close(socket);
      throw thrown;
    }
    for (const socket of opened) this.open.set(socket.listen.address, socket);
  }

  /** Takes ownership of the sockets that another Weldr handed over, and closes those that no entry uses. */
  keepInherited(): void {
    for (const [key, { held, ...socket }] of this.open) {
      if (held?.listenedAs === undefined) continue;
      const file = fileOf(held.address);
      const mode = modeOf(socket.listen);
      if (mode !== undefined) file?.setMode(mode);
      this.open.set(key, { ...socket, file });
    }
    this.held.closeInherited();
  }

  private adopted(listen: Listen, held: HeldSocket): ListeningSocket {
    const { address, handle } = held;
    return { listen, address, handle, file: undefined, held };
  }

  /** A socket that another process owns stays open, whatever happens here. */
  private close(socket: ListeningSocket): void {
    if (socket.held === undefined) close(socket);
    else this.held.giveBack(socket.held);
  }

  /** Makes all TCP sockets drop new connections to these addresses, where the system supports it. */
  async shut(addresses: readonly string[]): Promise<void> {
    await dropNewConnections(this.tcpHandles, addresses);
  }

  /** Makes them take all clients again. False: some may still be dropped. */
  async reopen(): Promise<boolean> {
    return (await takeNewConnections(this.tcpHandles)) !== 'failed';
  }

  private get tcpHandles(): SendHandle[] {
    const tcp = [...this.open.values()].filter(({ listen }) => listen.target.kind === 'tcp');
    return tcp.map(({ handle }) => handle);
  }

  /** Closes all sockets here, because another process has them now; their files stay. */
  leave(): void {
    for (const { handle } of this.open.values()) closeHandle(handle);
    this.open.clear();
  }

  /** Returns a second handle of each socket, which can be closed independently of this process. */
  async copies(listens: readonly Listen[]): Promise<ListeningSocket[]> {
    const opener = new Opener();
    try {
      const copies: ListeningSocket[] = [];
      for (const socket of this.of(listens)) {
        const { handle } = await opener.ask(request => ({ type: 'copy', request }), socket.handle);
        copies.push({ ...socket, handle });
      }
      return copies;
    } finally {
      opener.end();
    }
  }

  /** Closes all sockets but those of these entries, and sets the files' modes as the entries say. */
  keep(listens: readonly Listen[]): void {
    for (const [address, socket] of this.open) {
      const listen = listens.find(wanted => wanted.address === address);
      if (listen === undefined) {
        this.open.delete(address);
        this.close(socket);
        continue;
      }
      this.open.set(address, { ...socket, listen });
      const mode = modeOf(listen);
      if (mode !== undefined && mode !== modeOf(socket.listen)) socket.file?.setMode(mode);
    }
  }
}

/** Opens sockets and names their files; adds each to `opened` when it is ready. */
async function bindAndName(
  listens: readonly Listen[],
  opened: ListeningSocket[],
  before: readonly ListeningSocket[],
): Promise<void> {
  const bound = await bindAll(listens, before);
  try {
    for (let next = bound.shift(); next !== undefined; next = bound.shift()) opened.push(await settle(next));
  } catch (thrown) {
    for (const socket of bound) letGo(socket);
    throw thrown;
  }
}

function close({ file, handle }: ListeningSocket): void {
  file?.remove();
  closeHandle(handle);
}

function modeOf({ target }: Listen): number | undefined {
  return target.kind === 'unix' ? target.mode : undefined;
}

/** A socket that listens; a unix socket does not yet have its final name. */
interface BoundSocket {
  readonly listen: Listen;
  readonly address: string;
  readonly handle: SendHandle;
  /** The temporary path of a unix socket. */
  readonly boundTo: string | undefined;
}

/** Binds all of them; closes those that were bound when one fails. */
async function bindAll(
  listens: readonly Listen[],
  before: readonly ListeningSocket[],
): Promise<BoundSocket[]> {
  const opener = new Opener();
  const bound: BoundSocket[] = [];
  try {
    for (const listen of listens) bound.push(await bind(opener, listen, { before, now: bound }));
  } catch (thrown) {
    for (const socket of bound) letGo(socket);
    throw thrown;
  } finally {
    opener.end();
    // Until it has ended, the opener may accept a connection, which would get no response: so a unix socket gets its
    // name later.
    if (bound.some(({ boundTo }) => boundTo !== undefined)) await opener.ended;
  }
  return bound;
}

/** What this Weldr itself listens on: what was open before, and what the config that is being read adds. */
interface Rivals {
  readonly before: readonly { readonly listen: Listen }[];
  readonly now: readonly { readonly listen: Listen }[];
}

async function bind(opener: Opener, listen: Listen, rivals: Rivals): Promise<BoundSocket> {
  const { target } = listen;
  const boundTo = target.kind === 'unix' ? besides(target.path) : undefined;
  const { answer, handle } = await opener.ask(request => ({
    type: 'open',
    request,
    target: target.kind === 'unix' ? { ...target, path: boundTo ?? '' } : target,
    backlog,
  }));
  if (answer.type === 'opened') return { listen, address: addressOf(target, answer.port), handle, boundTo };
  const { errno, message } = answer;
  if (target.kind === 'unix') throw listenFailed(target.path, explainPath(target.path, errno, message));
  throw new WeldrError(
    'LISTEN_FAILED',
    `cannot listen on ${listen.address}: ${explain(answer, listen, rivals)}`,
  );
}

/** Gives a socket its name. */
async function settle(bound: BoundSocket): Promise<ListeningSocket> {
  const { listen, address, handle, boundTo } = bound;
  const { target } = listen;
  if (target.kind === 'tcp' || boundTo === undefined) return { listen, address, handle, file: undefined };
  try {
    return { listen, address, handle, file: await SocketFile.claim(boundTo, target.path) };
  } catch (thrown) {
    closeHandle(handle);
    throw thrown;
  }
}

function letGo({ handle, boundTo }: BoundSocket): void {
  if (boundTo !== undefined) rmSync(boundTo, { force: true });
  closeHandle(handle);
}

function explain(
  { errno, message }: OpenedMessage & { type: 'failed' },
  listen: Listen,
  rivals: Rivals,
): string {
  if (errno === 'EADDRINUSE') return rivalText(listen, rivals) ?? taken;
  return listenProblems[errno] ?? message;
}

const taken =
  'the port is taken by another process; stop that, or choose another (--ip, WELDR_LISTEN, `listen` in the config)';

/** What is wrong and what to do, by the name of the system's error. */
const listenProblems: Readonly<Record<string, string>> = {
  EACCES:
    'this user may not listen on that port; choose one from 1024 up, or grant CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=)',
  EADDRNOTAVAIL: 'this machine has no such address; choose one that `ip address` lists, or 0.0.0.0 for all',
  EAFNOSUPPORT: 'this machine has no IPv6; choose an IPv4 address',
  ENOTFOUND: 'there is no such name; choose an address of this machine, or 0.0.0.0 for all',
  EAI_AGAIN: 'no name server answers; use an address of this machine in place of its name',
  EINVAL: 'the system does not accept this address; choose another one of this machine, or 0.0.0.0 for all',
};

/** The listener of this Weldr that has the port: two names of one machine may be the same address. */
function rivalText({ target }: Listen, { before, now }: Rivals): string | undefined {
  const isRival = (other: { readonly listen: Listen }): boolean =>
    target.kind === 'tcp' && other.listen.target.kind === 'tcp' && other.listen.target.port === target.port;
  const twin = now.find(isRival)?.listen.address;
  if (twin !== undefined)
    return `${twin} of the same config already has the port; take one of them out of listen`;
  const old = before.find(isRival)?.listen.address;
  if (old === undefined) return undefined;
  return `this Weldr itself listens on ${old}, until the reload is done; restart it to go from one to the other`;
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
  private readonly exit = Promise.withResolvers<void>();

  constructor() {
    this.child = fork(siblingModule('socket-opener', import.meta.url), [], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [...process.execArgv, '--disable-sigusr1'],
    });
    this.child.on('message', (message, handle) => {
      const answer = message as OpenedMessage;
      this.waiting.get(answer.request)?.resolve({ answer, handle });
      this.waiting.delete(answer.request);
    });
    const fail = (why: string): void => {
      this.exit.resolve();
      for (const { reject } of this.waiting.values()) reject(new WeldrError('LISTEN_FAILED', why));
      this.waiting.clear();
    };
    this.child.on('error', error => fail(`cannot start a process to open sockets: ${error.message}`));
    this.child.on('exit', () => fail('the process that opens sockets ended early'));
  }

  get ended(): Promise<void> {
    return this.exit.promise;
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

  /** Asks it to end, which {@link ended} waits for. */
  end(): void {
    if (this.child.connected) this.child.disconnect();
  }
}
