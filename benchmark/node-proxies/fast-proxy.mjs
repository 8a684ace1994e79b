// fast-proxy over undici, its faster way, started as: node fast-proxy.mjs PORT ORIGIN
import { createServer } from 'node:http';
import fastProxy from 'fast-proxy';

const [port, base] = process.argv.slice(2);
const { proxy } = fastProxy({ base, undici: { connections: 512, pipelining: 1 } });
// It adds X-Forwarded-Host alone; the address of the client is ours to add.
const options = {
  rewriteRequestHeaders(request, headers) {
    headers['x-forwarded-for'] = request.socket.remoteAddress;
    return headers;
  },
};
const server = createServer((request, response) => proxy(request, response, request.url, options));
// As the other proxies hold an idle client; Node's default is 5 s.
server.keepAliveTimeout = 75_000;
server.listen(Number(port), '127.0.0.1', 4096);
