// The origin: nginx with fixed bodies of several sizes, which is cheaper than any proxy in front of it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, listening, type Running, run, temporaryFolder } from './processes.ts';
import { nginxConfig } from './proxies/nginx.ts';

/** A running origin. */
export interface Origin {
  readonly port: number;
  readonly process: Running;
}

/** The addresses that the origin listens on: one for each server of a changing pool. */
export const originAddresses: readonly string[] = Array.from({ length: 60 }, (_, n) => `127.0.0.${n + 1}`);

/** Starts the origin: `/small`, `/10k`, `/64k`, `/1m`, and `/upload`, which reads the body before it answers. */
export async function startOrigin(cores: readonly number[]): Promise<Origin> {
  const folder = temporaryFolder('origin');
  for (const [name, kilobytes] of [
    ['10k', 10],
    ['64k', 64],
    ['1m', 1024],
    ['upload', 0],
  ] as const) {
    writeFileSync(join(folder, name), Buffer.alloc(kilobytes * 1024, 'Weldr benchmark body. '));
  }
  const port = await freePort();
  const path = join(folder, 'nginx.conf');
  writeFileSync(path, nginxConfig(folder, 1, http(folder, port)));
  const process = run('nginx', ['-p', folder, '-e', 'stderr', '-c', path], { cores });
  await listening(process, port);
  return { port, process };
}

function http(folder: string, port: number): string {
  const listen = originAddresses.map(address => `listen ${address}:${port} backlog=4096;`).join('\n    ');
  return `
  default_type text/plain;
  sendfile on;
  open_file_cache max=100 inactive=1h;
  open_file_cache_valid 1h;
  client_body_buffer_size 2m;
  server {
    ${listen}
    root ${folder};
    # For Weldr's health checks.
    location = / { return 200 "origin\\n"; }
    location = /small { return 200 "Hello World\\n"; }
    location = /upload {
      # The mirror makes nginx read the whole body first; a POST to a file is a 405, which becomes the response.
      mirror /read;
      error_page 405 = @received;
    }
    location = /read { internal; return 204; }
    location @received { return 200 "received\\n"; }
    location / { }
  }`;
}
