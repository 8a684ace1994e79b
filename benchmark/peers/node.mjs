// The proxies for Node, started as: node node.mjs NAME PORT ORIGIN
import { Agent, createServer } from 'node:http';

const [name, port, origin] = process.argv.slice(2);
const peers = { 'http-proxy': httpProxy, 'http-proxy-3': httpProxy, httpxy, 'fast-proxy': fastProxy };
if (name === 'fastify-http-proxy') await fastifyHttpProxy();
else {
  const server = createServer(await peers[name]());
  // Keeps idle clients as long as the other proxies do; Node's default is 5 s.
  server.keepAliveTimeout = 75_000;
  server.listen(Number(port), '127.0.0.1', 4096);
}

function agent() {
  return new Agent({ keepAlive: true, maxSockets: 512, maxFreeSockets: 512 });
}

async function httpProxy() {
  const { default: library } = await import(name);
  const proxy = library.createProxyServer({ target: origin, agent: agent(), xfwd: true });
  proxy.on('error', (_error, _request, response) => response.writeHead?.(502).end());
  return (request, response) => proxy.web(request, response);
}

async function httpxy() {
  const { createProxyServer } = await import('httpxy');
  const proxy = createProxyServer({ target: origin, agent: agent(), xfwd: true });
  return (request, response) => proxy.web(request, response).catch(() => response.writeHead(502).end());
}

/** Over undici, its faster mode. */
async function fastProxy() {
  const { default: library } = await import('fast-proxy');
  const { proxy } = library({ base: origin, undici: { connections: 512, pipelining: 1 } });
  // It only adds X-Forwarded-Host, so the client address is added here.
  const rewriteRequestHeaders = (request, headers) => {
    headers['x-forwarded-for'] = request.socket.remoteAddress;
    return headers;
  };
  return (request, response) => proxy(request, response, request.url, { rewriteRequestHeaders });
}

async function fastifyHttpProxy() {
  const [{ default: fastify }, { default: library }] = [
    await import('fastify'),
    await import('@fastify/http-proxy'),
  ];
  const server = fastify({ bodyLimit: 2 ** 30 });
  await server.register(library, { upstream: origin, undici: { connections: 512, pipelining: 1 } });
  await server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
}
