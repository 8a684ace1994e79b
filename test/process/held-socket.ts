// A listening socket that a test holds without accepting from it, as a service manager does.
import { ListeningSockets } from '../../core/process/listening-sockets.ts';
import { listenSchema } from '../../core/settings/listen.ts';

/** Sockets of a test. */
export interface Held {
  /** The addresses of the sockets, in the requested order. */
  readonly addresses: readonly string[];
  /** Their file descriptors in this process. */
  readonly descriptors: readonly number[];
  close(): void;
}

/** Opens sockets, such as `127.0.0.1:0`. */
export async function holdSockets(...listen: readonly string[]): Promise<Held> {
  const sockets = new ListeningSockets();
  const listens = listenSchema.parse(listen);
  await sockets.add(listens);
  const open = sockets.of(listens);
  return {
    addresses: open.map(({ address }) => address),
    descriptors: open.map(({ handle }) => {
      const descriptor: unknown = handle === undefined ? undefined : Reflect.get(handle, 'fd');
      if (typeof descriptor !== 'number') throw new Error('the handle has no descriptor');
      return descriptor;
    }),
    close: () => sockets.keep([]),
  };
}

/** Returns a line of shell that announces descriptors to the next command as a service manager does. */
export const activating = (count: number): string => `export LISTEN_PID=$$ LISTEN_FDS=${count}`;
