// EngineAddress: the address of a container engine: its socket, or an address as in DOCKER_HOST.
import { unixPathProblem } from '../../core/network/unix-path.ts';

/** The address in the form of `node:http`. */
export type EngineAddress =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number };

/** Parses `/var/run/docker.sock`, `unix:///var/run/docker.sock` or `tcp://10.0.0.5:2375`. Throws an Error with the remedy. */
export function parseEngineAddress(text: string): EngineAddress {
  const path = text.startsWith('/') ? text : /^unix:(?:\/\/)?(\/.*)$/s.exec(text)?.[1];
  if (path !== undefined) {
    const problem = unixPathProblem(path);
    if (problem !== undefined) throw new Error(problem);
    return { socketPath: path };
  }
  const [, host = '', port = ''] =
    /^(?:tcp|http):\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+):(\d{1,5})\/?$/i.exec(text) ?? [];
  if (host === '' || Number(port) < 1 || Number(port) > 65_535) {
    throw new Error('expected a socket such as "/var/run/docker.sock", or "tcp://HOST:PORT"');
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}
