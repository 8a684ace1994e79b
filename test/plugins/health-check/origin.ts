// An origin whose health a test decides, and waiting for the effects of checks over real sockets.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Origin {
  readonly url: string;
  readonly port: number;
  /** The checks that came, without their bodies. */
  readonly requests: IncomingMessage[];
  /** The status of the next answers. */
  status: number;
  close(): Promise<void>;
}

/** Starts an origin on a free port, or on `port`; answers with `status`, or as `answer` does. */
export async function startOrigin(answer?: RequestListener, port = 0): Promise<Origin> {
  const requests: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(request);
    if (answer !== undefined) answer(request, response);
    else response.writeHead(origin.status, { location: '/elsewhere' }).end('body');
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  const origin: Origin = {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    status: 200,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close').catch(() => {});
    },
  };
  return origin;
}
