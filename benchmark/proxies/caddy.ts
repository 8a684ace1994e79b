// Caddy: reverse_proxy as it is, which adds X-Forwarded-For, -Proto and -Host, on as many cores as it has workers.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
    const path = join(folder, 'Caddyfile');
    writeFileSync(path, config(port, options.origin.port));
    const process = run('caddy', ['run', '--config', path, '--adapter', 'caddyfile'], {
      cores: options.cores,
      env: {
        GOMAXPROCS: String(options.workers),
        HOME: folder,
        XDG_CONFIG_HOME: folder,
        XDG_DATA_HOME: folder,
      },
    });
    await listening(process, port);
    return { port, process };
  },
};

function config(port: number, originPort: number): string {
  return `{
  admin off
  auto_https off
}

http://:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${originPort} {
    transport http {
      keepalive_idle_conns_per_host 512
    }
  }
}
`;
}
