// Caddy: reverse_proxy by its defaults, which adds X-Forwarded-For, -Proto and -Host, on as many cores as workers.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchmarkCertificate } from '../certificate.ts';
import { firstLine } from '../machine.ts';
import { freePort, listening, run, temporaryFolder } from '../processes.ts';
import type { ComparedProxy, ProxyOptions, RunningProxy } from './proxy.ts';

export const caddy: ComparedProxy = {
  name: 'caddy',
  kind: 'native',
  install: 'apt-get install caddy',
  version: () => firstLine('caddy', ['version'])?.split(' ')[0],
  async start(options: ProxyOptions): Promise<RunningProxy> {
    const folder = temporaryFolder('caddy');
    const port = await freePort();
    const tlsPort = await freePort();
    const h2cPort = await freePort();
    const path = join(folder, 'Caddyfile');
    writeFileSync(path, config({ port, tlsPort, h2cPort }, options.origin.port));
    const process = run('caddy', ['run', '--config', path, '--adapter', 'caddyfile'], {
      cores: options.cores,
      env: {
        GOMAXPROCS: String(options.workers),
        HOME: folder,
        XDG_CONFIG_HOME: folder,
        XDG_DATA_HOME: folder,
      },
    });
    for (const each of [port, tlsPort, h2cPort]) await listening(process, each);
    return { port, tlsPort, h2cPort, process };
  },
};

function config(ports: { port: number; tlsPort: number; h2cPort: number }, originPort: number): string {
  const { cert, key } = benchmarkCertificate();
  return `{
  admin off
  auto_https off
  servers {
    protocols h1 h2 h2c
  }
}

(proxy) {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${originPort} {
    transport http {
      keepalive_idle_conns_per_host 512
    }
  }
}

http://:${ports.port} {
  import proxy
}

http://:${ports.h2cPort} {
  import proxy
}

https://:${ports.tlsPort} {
  tls ${cert} ${key}
  import proxy
}
`;
}
