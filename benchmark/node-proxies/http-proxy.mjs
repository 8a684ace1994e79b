// http-proxy, started as: node http-proxy.mjs PORT ORIGIN
import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const [port, target] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 512, maxFreeSockets: 512 });
const proxy = httpProxy.createProxyServer({ target, agent, xfwd: true });
proxy.on('error', (_error, _request, response) => response.writeHead?.(502).end());
const server = createServer((request, response) => proxy.web(request, response));
// Keeps idle clients as long as the other proxies do; Node's default is 5 s.
server.keepAliveTimeout = 75_000;
server.listen(Number(port), '127.0.0.1', 4096);
