// Networks and peers as a config names them: "10.0.0.0/8", and "unix:" for those who come over a unix socket.
import { isIP } from 'node:net';
import { z } from 'zod';

/**
 * What stands for the address of a client of a unix socket, which has none: `ctx.clientIp`, and in lists of trusted
 * proxies.
 */
export const unixPeer = 'unix:';

/** Is this text an address or a network such as `10.0.0.0/8`? */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** Schema of those who connect: an address, a network, or `unix:` for all who come over unix sockets. */
export const peer = z.string().refine(text => text === unixPeer || isNetwork(text), {
  error: issue =>
    `expected an address, a network such as "10.0.0.0/8" or "${unixPeer}", got ${JSON.stringify(issue.input)}`,
});
