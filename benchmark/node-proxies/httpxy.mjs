// httpxy, started as: node httpxy.mjs PORT ORIGIN
import { Agent, createServer } from 'node:http';
import { createProxyServer } from 'httpxy';

const [port, target] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 512, maxFreeSockets: 512 });
const proxy = createProxyServer({ target, agent, xfwd: true });
const server = createServer((request, response) => {
  proxy.web(request, response).catch(() => response.writeHead(502).end());
});
server.listen(Number(port), '127.0.0.1', 4096);
