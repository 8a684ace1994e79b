// A Weldr in the test's process, from a config, with real sockets and both sides of all plugins.
import { startWeldr } from '../../config/index.ts';
import type { WeldrConfig } from '../../core/config/config.ts';

/** A Weldr that runs in this process. */
export interface EmbeddedWeldr {
  /** A URL such as `http://127.0.0.1:40123`. */
  readonly url: string;
  readonly port: number;
}

/** Runs `use` with a Weldr of this config, by default on a free port and without a log. */
export async function withWeldr(
  config: WeldrConfig,
  use: (weldr: EmbeddedWeldr) => Promise<void>,
): Promise<void> {
  const weldr = await startWeldr({ listen: '127.0.0.1:0', logLevel: 'silent', ...config });
  const url = `http://${weldr.addresses[0]}`;
  try {
    await use({ url, port: Number(new URL(url).port) });
  } finally {
    await weldr.close();
  }
}
