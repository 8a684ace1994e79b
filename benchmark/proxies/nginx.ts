// nginx as a proxy: one worker, connections to the origin kept, with the same added fields as Weldr.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchmarkCertificate } from '../certificate.ts';
import { firstLine } from '../machine.ts';
import { freePort, listening, run, temporaryFolder } from '../processes.ts';
import type { ComparedProxy, ProxyOptions, RunningProxy } from './proxy.ts';

export const nginx: ComparedProxy = {
  name: 'nginx',
  kind: 'native',
  install: 'apt-get install nginx-light',
  version: () => firstLine('nginx', ['-v'])?.replace(/^.*nginx\//, ''),
  async start(options: ProxyOptions): Promise<RunningProxy> {
    const folder = temporaryFolder('nginx');
    const port = await freePort();
    const tlsPort = await freePort();
    const h2cPort = await freePort();
    const path = join(folder, 'nginx.conf');
    writeFileSync(
      path,
      nginxConfig(folder, options.workers, http({ port, tlsPort, h2cPort }, options.origin.port)),
    );
    const process = run('nginx', ['-p', folder, '-e', 'stderr', '-c', path], { cores: options.cores });
    for (const each of [port, tlsPort, h2cPort]) await listening(process, each);
    return { port, tlsPort, h2cPort, process };
  },
};

/** Returns a whole nginx.conf around the content of its `http` block. */
export function nginxConfig(folder: string, workers: number, http: string): string {
  // As root, nginx would run its workers as a user that cannot read the temporary folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `
daemon off;
${user}
pid ${folder}/nginx.pid;
worker_processes ${workers};
worker_rlimit_nofile 20000;
events { worker_connections 16000; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
  client_max_body_size 0;
  ${http}
}
`;
}

function http(ports: { port: number; tlsPort: number; h2cPort: number }, originPort: number): string {
  const { cert, key } = benchmarkCertificate();
  return `
  upstream origin {
    server 127.0.0.1:${originPort};
    keepalive 512;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${ports.port} backlog=4096;
    listen 127.0.0.1:${ports.tlsPort} ssl http2 backlog=4096;
    listen 127.0.0.1:${ports.h2cPort} http2 backlog=4096;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header Via "1.1 nginx";
      add_header Via "1.1 nginx";
      # Bodies stream, as in the other proxies, instead of passing through files.
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
    }
  }`;
}
