// HeldSockets: listening sockets that another process opened: the service manager, or the Weldr that this one replaces.
import type { SendHandle } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { WeldrError } from '../errors.ts';
import { addressOf, type ListenTarget } from '../settings/listen.ts';
import { SocketFile } from './socket-file.ts';
import { closeHandle, handleOf } from './socket-handle.ts';

/** A listening socket that was open before the config asked for it. */
export interface HeldSocket {
  /** Where it listens, such as `127.0.0.1:8080` or `unix:/run/weldr/http.sock`. */
  readonly address: string;
  readonly handle: SendHandle;
  /** The address in the config of the Weldr that it comes from; undefined: it comes from the service manager. */
  readonly listenedAs: string | undefined;
}

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const firstDescriptor = 3;

/** The held sockets that no entry of the config has taken. */
export class HeldSockets {
  private readonly free = new Set<HeldSocket>();

  constructor(sockets: Iterable<HeldSocket> = []) {
    for (const socket of sockets) this.free.add(socket);
  }

  [Symbol.iterator](): IterableIterator<HeldSocket> {
    return this.free.values();
  }

  /** Where they listen. */
  get addresses(): string[] {
    return Array.from(this.free, ({ address }) => address);
  }

  /** Returns the socket for an entry of the config; undefined: there is none. */
  take(address: string, target: ListenTarget): HeldSocket | undefined {
    for (const socket of this.free) {
      if (!isFor(socket, address, target)) continue;
      this.free.delete(socket);
      return socket;
    }
    return undefined;
  }

  giveBack(socket: HeldSocket): void {
    this.free.add(socket);
  }

  /** Closes the ones that came from another Weldr: no client uses them any more. */
  closeInherited(): void {
    for (const socket of this.free) {
      const { listenedAs, address, handle } = socket;
      if (listenedAs === undefined) continue;
      this.free.delete(socket);
      fileOf(address)?.remove();
      closeHandle(handle);
    }
  }
}

/** The file of an inherited unix socket, which is removed with it. */
export function fileOf(address: string): SocketFile | undefined {
  return address.startsWith('unix:') ? SocketFile.adopt(address.slice('unix:'.length)) : undefined;
}

function isFor({ address, listenedAs }: HeldSocket, wanted: string, target: ListenTarget): boolean {
  if (listenedAs === wanted || address === wanted) return true;
  // For `ListenStream=80` systemd opens one socket for both address families.
  return target.kind === 'tcp' && target.host === '0.0.0.0' && address === `[::]:${target.port}`;
}

/**
 * Returns the sockets that systemd passes to this process (sd_listen_fds(3)). Removes them from `env`, so that no child
 * takes them for its own. Throws LISTEN_FAILED for one that cannot be used.
 */
export function activatedSockets(env: NodeJS.ProcessEnv): HeldSocket[] {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (pid !== String(process.pid) || count === undefined || !/^\d{1,3}$/.test(count)) return [];
  return Array.from({ length: Number(count) }, (_, n) => activated(firstDescriptor + n));
}

function activated(descriptor: number): HeldSocket {
  const holder = holderOf(descriptor);
  if (holder.remoteAddress !== undefined) {
    throw new WeldrError(
      'LISTEN_FAILED',
      `the service manager passes a connection as descriptor ${descriptor}; set Accept=no in the socket unit`,
    );
  }
  return { address: addressAt(holder, descriptor), handle: handleOf(holder), listenedAs: undefined };
}

/** Holds a socket and reads nothing; a net.Server would accept from it. */
function holderOf(descriptor: number): Socket {
  try {
    return new Socket({ fd: descriptor, readable: false, writable: false });
  } catch (thrown) {
    throw noListener(descriptor, thrown);
  }
}

function noListener(descriptor: number, cause?: unknown): WeldrError {
  return new WeldrError(
    'LISTEN_FAILED',
    `the service manager passes descriptor ${descriptor}, which is not a listening stream socket with an address; use ListenStream= in the socket unit`,
    { cause },
  );
}

function addressAt(holder: Socket, descriptor: number): string {
  const address = holder.address();
  if ('address' in address && 'port' in address) {
    const { address: host, port } = address;
    return addressOf({ kind: 'tcp', host: host.toLowerCase(), port });
  }
  const path = unixPathAt(descriptor);
  if (path !== undefined) return `unix:${path}`;
  throw noListener(descriptor);
}

/** Returns the path of a unix socket, as Linux lists it: Node does not expose it. */
function unixPathAt(descriptor: number): string | undefined {
  const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`))?.[1];
  for (const line of readFileSync('/proc/net/unix', 'utf8').split('\n')) {
    const match = /^\S+: \S+ \S+ \S+ 0001 \S+ +(\d+) (\/.*)$/.exec(line);
    if (match !== null && match[1] === inode) return match[2];
  }
  return undefined;
}
