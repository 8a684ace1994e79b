// A real Listener on a free port, in the test's process, with the simplest balancer.
import type { SendHandle } from 'node:child_process';
import { once } from 'node:events';
import { BoundSocket, createServer } from 'node:net';
import type { TlsMaterial } from '../../../core/certificates/listener-tls.ts';
import { Listener } from '../../../core/http/accept/listener.ts';
import type { WireOptions } from '../../../core/http/exchange/wire.ts';
import type { NameLookups } from '../../../core/http/upstream/name-lookups.ts';
import { Pools } from '../../../core/pool/pools.ts';
import type { ProxyContext } from '../../../core/request/context.ts';
import { type SettingsInput, settingsSchema } from '../../../core/settings/settings.ts';
import { createHooks, type RequestHooks } from '../../../core/stages/request-hooks.ts';
import { Stages } from '../../../core/stages/stages.ts';
import { collectingLogger, type LogLine } from '../../../core/testing/log-lines.ts';
import { type UpstreamInput, upstreamRecord } from '../../../core/testing/pool.ts';
import type { TestWorkerSide } from '../../../core/testing.ts';

/** Options of a proxy under test. */
export interface ProxyOptions {
  /** URLs, or records with more options. */
  readonly upstreams?: readonly UpstreamInput[];
  readonly settings?: SettingsInput;
  /** Adds taps before the balancer's. */
  readonly tap?: (hooks: RequestHooks) => void;
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** Listens on a unix socket at this path instead. */
  readonly path?: string;
  /** Makes the listener terminate TLS. */
  readonly tls?: TlsMaterial;
  /** Peers that must send a PROXY header. */
  readonly proxyProtocol?: { readonly trusted: readonly string[] };
  /** Whether it also speaks HTTP/2; default: false. */
  readonly http2?: boolean;
  /** Resolves upstreams' names; default: as in production. */
  readonly lookups?: NameLookups;
}

/** A running proxy. */
export interface TestProxy {
  /** 0 for a unix socket. */
  readonly port: number;
  readonly listener: Listener;
  readonly pools: Pools;
  readonly log: LogLine[];
  /** Contexts of the finished requests, in the order in which they ended. */
  readonly finished: ProxyContext[];
  close(): void;
}

/** Starts a proxy. Its stages choose the first available upstream that was not tried. */
export async function startProxy(options: ProxyOptions = {}): Promise<TestProxy> {
  const settings = settingsSchema.parse(options.settings ?? {});
  const log: LogLine[] = [];
  const failed: unknown[] = [];
  const hooks = createHooks(error => failed.push(error));
  const pools = new Pools();
  for (const upstream of options.upstreams ?? []) pools.default.set(upstreamRecord(upstream));
  options.tap?.(hooks);
  hooks.selectUpstream.tap('first', ctx => {
    const { available } = ctx.pool;
    return available.find(upstream => !ctx.tried.includes(upstream)) ?? available[0];
  });
  const finished = record(hooks);
  const running = await listen(
    { stages: Stages.of(hooks), pools, settings, log: collectingLogger(log) },
    options,
  );
  return { ...running, pools, log, finished };
}

/** Starts a proxy that uses the plugins of a worker side. */
export async function startProxyOf(
  side: TestWorkerSide,
  given: SettingsInput = {},
  where: Pick<ProxyOptions, 'http2' | 'tls'> = {},
): Promise<TestProxy> {
  const { stages, pools, hooks } = side;
  const log: LogLine[] = [];
  const settings = settingsSchema.parse(given);
  const finished = record(hooks);
  return {
    ...(await listen({ stages, pools, settings, log: collectingLogger(log) }, where)),
    pools,
    log,
    finished,
  };
}

function record(hooks: RequestHooks): ProxyContext[] {
  const finished: ProxyContext[] = [];
  hooks.finished.tap('record', ctx => {
    finished.push(ctx);
  });
  return finished;
}

async function listen(
  wire: WireOptions,
  {
    path,
    host = '127.0.0.1',
    tls,
    http2 = false,
    lookups,
    proxyProtocol,
  }: Pick<ProxyOptions, 'path' | 'host' | 'tls' | 'http2' | 'lookups' | 'proxyProtocol'>,
): Promise<Pick<TestProxy, 'port' | 'listener' | 'close'>> {
  const listener = new Listener(wire, lookups);
  const server = createServer();
  if (path !== undefined) {
    // Another server cannot take over a pipe that already listens, only one that is bound.
    const bound: SendHandle = Reflect.construct(BoundSocket, [{ path }]);
    listener.serve(bound, { kind: 'unix', name: `unix:${path}`, http2, proxyProtocol });
  } else {
    server.listen(0, host);
    await once(server, 'listening');
    listener.serve(server, { kind: 'tcp', name: '', tls, http2, proxyProtocol });
  }
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    listener,
    close() {
      listener.close();
      server.close();
    },
  };
}
