// HTTP/2 to other servers: Debian's nginx and HAProxy as upstreams, over TLS and without.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { workerSide } from '../../core/testing.ts';
import { retry } from '../../plugins/retry/index.ts';
import { roundRobin } from '../../plugins/round-robin/index.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { startOrigin } from '../support/origin.ts';
import { freePort, isOpen } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { bodyOf } from './support/h2-origin.ts';
import { startProxy, startProxyOf } from './support/proxy.ts';

const test = suite("HTTP/2 to Debian's servers");

const large = Buffer.alloc(3_000_000, 'abcdefg');

interface Ports {
  readonly plain: number;
  readonly tls: number;
  readonly origin: number;
}

const nginx = (folder: string, { plain, tls, origin }: Ports): string => `
daemon off; user root; worker_processes 1; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 512; }
http {
  access_log off; client_max_body_size 0;
  client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c;
  uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
  server {
    listen 127.0.0.1:${plain} http2;
    listen 127.0.0.1:${tls} ssl http2;
    ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
    keepalive_requests 50;
    location / { proxy_pass http://127.0.0.1:${origin}; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; }
    location = /protocol { return 200 $server_protocol; }
  }
}`;

const haproxy = (folder: string, { plain, tls, origin }: Ports): string => `
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 5s
frontend f
  bind 127.0.0.1:${plain} proto h2
  bind 127.0.0.1:${tls} ssl crt ${folder}/both.pem alpn h2,http/1.1
  http-request return status 200 content-type text/plain lf-string "HTTP/%[req.ver]" if { path /protocol }
  default_backend b
backend b
  server s 127.0.0.1:${origin}
`;

interface Server {
  readonly start: (folder: string) => ChildProcess;
  readonly config: (folder: string, ports: Ports) => string;
  readonly protocol: string;
}

const servers: Record<string, Server> = {
  nginx: {
    config: nginx,
    start: folder =>
      spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', `${folder}/config`], { stdio: 'ignore' }),
    protocol: 'HTTP/2.0',
  },
  HAProxy: {
    config: haproxy,
    start: folder => spawn('haproxy', ['-f', `${folder}/config`, '-q'], { stdio: 'ignore' }),
    protocol: 'HTTP/2.0',
  },
};

async function withServer({ config, start }: Server, use: (ports: Ports) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'weldr-h2-'));
  const origin = await startOrigin({
    handle(incoming, response) {
      if (incoming.method === 'POST') {
        let size = 0;
        incoming.on('data', (bytes: Buffer) => {
          size += bytes.length;
        });
        incoming.on('end', () => response.end(String(size)));
      } else {
        const body = incoming.url === '/large' ? large : 'small';
        response.setHeader('content-length', body.length);
        response.end(body);
      }
    },
  });
  const ports = { plain: await freePort(), tls: await freePort(), origin: origin.port };
  await writeFile(`${folder}/config`, config(folder, ports));
  await writeFile(`${folder}/cert.pem`, certificate);
  await writeFile(`${folder}/key.pem`, privateKey);
  await writeFile(`${folder}/both.pem`, certificate + privateKey);
  const child = start(folder);
  const ended = once(child, 'exit');
  try {
    while (child.exitCode === null && !(await isOpen(`127.0.0.1:${ports.tls}`))) {
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    assert.is(child.exitCode, null, 'it runs');
    await use(ports);
  } finally {
    child.kill();
    await ended;
    await origin.close();
    await rm(folder, { recursive: true });
  }
}

for (const [name, server] of Object.entries(servers)) {
  test(`${name} serves many requests, large bodies both ways and a HEAD, over TLS and without`, async () => {
    await withServer(server, async ({ plain, tls }) => {
      for (const upstream of [
        `h2c://127.0.0.1:${plain}`,
        { url: `https://127.0.0.1:${tls}`, tls: { ca: certificate } },
      ]) {
        const proxy = await startProxy({ upstreams: [upstream], http2: true });
        const session = connect(`http://127.0.0.1:${proxy.port}`);
        session.on('error', () => {});
        const ask = async (path: string, body?: Buffer, method = body === undefined ? 'GET' : 'POST') => {
          const stream = session.request(
            { ':path': path, ':method': method },
            { endStream: body === undefined },
          );
          if (body !== undefined) stream.end(body);
          const [head] = await once(stream, 'response');
          return { status: head[':status'], head, body: await bodyOf(stream) };
        };
        try {
          assert.is(String((await ask('/protocol')).body), server.protocol);
          const all = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(`/${n}`)));
          assert.ok(all.every(({ status }) => status === 200));
          const [up, down] = await Promise.all([ask('/', large), ask('/large')]);
          assert.is(String(up.body), String(large.length));
          assert.ok(down.body.equals(large));
          const head = await ask('/small', undefined, 'HEAD');
          assert.equal([head.status, head.head['content-length'], head.body.length], [200, '5', 0]);
        } finally {
          session.destroy();
          proxy.close();
        }
        await until('the end', () => proxy.listener.connections === 0);
      }
    });
  });
}

test('requests that nginx did not process before it ended a connection are retried', async () => {
  const { nginx: server } = servers;
  assert.ok(server);
  await withServer(server, async ({ plain }) => {
    const upstreams = [`h2c://127.0.0.1:${plain}`];
    const proxy = await startProxyOf(await workerSide([roundRobin(), retry()], { upstreams }));
    const agent = new Agent({ keepAlive: true, maxSockets: 10 });
    const ask = async (): Promise<number | undefined> => {
      const outgoing = request({ port: proxy.port, host: '127.0.0.1', agent }).end();
      const [response] = await once(outgoing, 'response');
      await bodyOf(response);
      return response.statusCode;
    };
    try {
      const all = await Promise.all(Array.from({ length: 170 }, ask));
      assert.equal(new Set(all), new Set([200]));
    } finally {
      agent.destroy();
      proxy.close();
    }
  });
});
