// @fastify/http-proxy, started as: node fastify-http-proxy.mjs PORT ORIGIN
import httpProxy from '@fastify/http-proxy';
import fastify from 'fastify';

const [port, upstream] = process.argv.slice(2);
const server = fastify({ bodyLimit: 2 ** 30 });
await server.register(httpProxy, { upstream, undici: { connections: 512, pipelining: 1 } });
await server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
