// HAProxy: one thread, connections to the origin shared, with the same added fields as Weldr.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchmarkCertificate } from '../certificate.ts';
import { firstLine } from '../machine.ts';
import { freePort, listening, run, temporaryFolder } from '../processes.ts';
import type { ComparedProxy, ProxyOptions, RunningProxy } from './proxy.ts';

export const haproxy: ComparedProxy = {
  name: 'haproxy',
  kind: 'native',
  install: 'apt-get install haproxy',
  version: () => firstLine('haproxy', ['-v'])?.match(/version (\S+)/)?.[1],
  async start(options: ProxyOptions): Promise<RunningProxy> {
    const folder = temporaryFolder('haproxy');
    const port = await freePort();
    const tlsPort = await freePort();
    const h2cPort = await freePort();
    const path = join(folder, 'haproxy.cfg');
    writeFileSync(path, config({ port, tlsPort, h2cPort }, options));
    const process = run('haproxy', ['-db', '-f', path], { cores: options.cores });
    for (const each of [port, tlsPort, h2cPort]) await listening(process, each);
    return { port, tlsPort, h2cPort, process };
  },
};

function config(
  ports: { port: number; tlsPort: number; h2cPort: number },
  { origin, workers }: ProxyOptions,
): string {
  return `
global
  nbthread ${workers}
  maxconn 12000
  no strict-limits
  ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  timeout http-keep-alive 75s

frontend proxy
  bind 127.0.0.1:${ports.port} backlog 4096
  bind 127.0.0.1:${ports.tlsPort} backlog 4096 ssl crt ${benchmarkCertificate().combined} alpn h2,http/1.1
  bind 127.0.0.1:${ports.h2cPort} backlog 4096 proto h2
  option forwardfor
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request add-header Via "1.1 haproxy"
  http-response add-header Via "1.1 haproxy"
  default_backend origin

backend origin
  http-reuse always
  server origin 127.0.0.1:${origin.port}
`;
}
