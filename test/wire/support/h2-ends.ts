// An HTTP/2 proxy between an origin and clients whose frames the test controls, and floods of frames.
import * as assert from 'uvu/assert';
import { until } from '../../support/until.ts';
import { get, H2Client } from './h2-client.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './proxy.ts';
import { ok, type Script, ScriptedOrigin } from './scripted-origin.ts';

/** Both ends, and the proxy between them. */
export interface Ends {
  readonly proxy: TestProxy;
  readonly origin: ScriptedOrigin;
  readonly open: (settings?: readonly (readonly [number, number])[]) => Promise<H2Client>;
}

/** Runs a test between them, and checks that other clients are still served and that everything ends cleanly. */
export async function between(
  use: (ends: Ends) => Promise<void>,
  { script = { answer: () => ok('hello') }, ...options }: ProxyOptions & { readonly script?: Script } = {},
): Promise<void> {
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url], http2: true, ...options });
  const clients: H2Client[] = [];
  try {
    await use({
      proxy,
      origin,
      async open(settings) {
        const client = await H2Client.open(proxy.port, settings);
        clients.push(client);
        return client;
      },
    });
    const other = await H2Client.open(proxy.port);
    clients.push(other);
    if (options.tap === undefined && script.answer !== silent) {
      assert.is((await other.over(other.request(get()))).body, 'hello');
    }
    for (const client of clients) client.close();
    await until('the end of all', () => proxy.listener.connections === 0);
  } finally {
    for (const client of clients) client.close();
    proxy.close();
    await origin.close();
  }
}

/** An origin that never answers. */
export const silent = (): undefined => undefined;

/** Sends the same frames until the connection ends. Returns how it ended, and how often they were sent. */
export async function flood(
  client: H2Client,
  once: (n: number) => void,
  atMost = 200_000,
): Promise<string | undefined> {
  for (let n = 0; n < atMost && !client.closed && client.goAway === undefined; n++) {
    once(n);
    if (n % 100 !== 99) continue;
    client.flush();
    await new Promise(resolve => setImmediate(resolve));
  }
  client.flush();
  return await client.ended();
}

/** How the connection with a flood ends. */
export const calm = 'ENHANCE_YOUR_CALM';
