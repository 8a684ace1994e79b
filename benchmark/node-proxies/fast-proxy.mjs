// fast-proxy over undici, its faster mode, started as: node fast-proxy.mjs PORT ORIGIN
import { createServer } from 'node:http';
import fastProxy from 'fast-proxy';

const [port, base] = process.argv.slice(2);
const { proxy } = fastProxy({ base, undici: { connections: 512, pipelining: 1 } });
// It only adds X-Forwarded-Host, so the client address is added here.
const options = {
  rewriteRequestHeaders(request, headers) {
    headers['x-forwarded-for'] = request.socket.remoteAddress;
    return headers;
  },
};
const server = createServer((request, response) => proxy(request, response, request.url, options));
// Keeps idle clients as long as the other proxies do; Node's default is 5 s.
server.keepAliveTimeout = 75_000;
server.listen(Number(port), '127.0.0.1', 4096);
