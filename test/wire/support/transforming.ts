// Shared by tests of body transforms: a proxy whose plugin asks for some, between a client and an origin.
import { PassThrough, Transform } from 'node:stream';
import type { BodyTransform } from '../../../core/request/body-transform.ts';
import type { SettingsInput } from '../../../core/settings/settings.ts';
import type { RequestHooks } from '../../../core/stages/request-hooks.ts';
import { until } from '../../support/until.ts';
import { startProxy, type TestProxy } from './proxy.ts';
import { RawClient } from './raw-client.ts';
import { type Answer, ok, type Script, ScriptedOrigin } from './scripted-origin.ts';

/** What a test of transforms works with. */
export interface Ends {
  readonly client: RawClient;
  readonly origin: ScriptedOrigin;
  readonly proxy: TestProxy;
}

/** The plugin that asks for transforms, and how the origin behaves. */
export interface Setup extends Script {
  readonly tap: (hooks: RequestHooks) => void;
  readonly settings?: SettingsInput;
}

/** Runs `use` between a client and an origin, and checks that each request has ended, with nothing in flight. */
export async function between(setup: Setup, use: (ends: Ends) => Promise<void>): Promise<void> {
  const { tap, settings = { timeouts: { stage: '300ms' } }, ...script } = setup;
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url], tap, settings });
  const client = await RawClient.open(proxy.port);
  try {
    await use({ client, origin, proxy });
    client.close();
    await until('the upstream to be free', () => [...proxy.pools.default].every(u => u.inFlight === 0));
    await until('the connections to be over', () => proxy.listener.connections === 0);
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
}

/** Transforms the bodies of all requests. */
export const onRequest =
  (...all: BodyTransform[]) =>
  (hooks: RequestHooks) =>
    hooks.request.tap('transformer', ctx => {
      for (const make of all) ctx.transformRequest(make);
      return undefined;
    });
/** Transforms the bodies of responses to `/`. */
export const onResponse =
  (...all: BodyTransform[]) =>
  (hooks: RequestHooks) =>
    hooks.postProxy.tap('transformer', ctx => {
      if (ctx.request.target === '/') for (const make of all) ctx.transformResponse(make);
      return undefined;
    });

export const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
export const other = 'GET /other HTTP/1.1\r\nHost: a.test\r\n\r\n';
export const post = (body: string): string =>
  `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
/** A response with a trailer. */
export const chunkedPost =
  'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n';

export const pass = (): Transform => new PassThrough();
export const throws = (): never => {
  throw new Error('on purpose');
};

/** Half of a response, the rest of which never arrives. */
export const half: Answer = ({ connection, target }) => {
  if (target === '/other') return ok('other');
  connection.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
  return undefined;
};

/** Doubles each chunk. */
export const doubled: BodyTransform = () =>
  new Transform({ transform: (chunk, _, done) => done(null, `${chunk}${chunk}`) });
