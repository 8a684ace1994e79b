// Explains a request in a worker: as if a client had sent it, with the fields that Weldr adds.

import { nearest } from '../errors/nearest.ts';
import { WeldrError } from '../errors.ts';
import { explainRequest } from '../explain/explain.ts';
import type { ExplainInput } from '../explain/explain-input.ts';
import type { Explanation } from '../explain/explanation.ts';
import { rehearsedOf } from '../explain/tried-request.ts';
import { Forwarding } from '../http/exchange/forwarding.ts';
import { forwardingAlias } from '../http/exchange/grammar.ts';
import type { Peer } from '../http/exchange/streams.ts';
import type { Pools } from '../pool/pools.ts';
import { type ProxyContext, stateOf } from '../request/context.ts';
import { type Rehearsed, rehearse } from '../request/rehearsal.ts';
import type { Listen } from '../settings/listen.ts';
import type { Settings } from '../settings/settings.ts';
import type { Stages } from '../stages/stages.ts';
import { type Clock, systemClock } from '../time/clock.ts';

/** The parts of a worker that a request meets. */
export interface ExplainingWorker {
  readonly stages: Stages;
  readonly pools: Pools;
  readonly settings: Settings;
  /** Default: the system's clock. */
  readonly clock?: Clock;
}

/** Rejects with INPUT_INVALID for a bad URL or host, or an unknown listener. */
export async function explainInWorker(
  { stages, pools, settings, clock = systemClock }: ExplainingWorker,
  input: ExplainInput,
): Promise<Explanation> {
  const said = rehearsedOf(input);
  const listen = listenerOf(settings.listen, input, said);
  const isTls = /^https?:/i.test(input.url) ? said.scheme === 'https' : listen?.tls !== undefined;
  const scheme = isTls ? 'https' : 'http';
  const start = { pool: pools.default, startedAt: clock.monotonic() };
  const ctx = rehearse({ ...said, scheme }, start);
  describeClient(ctx, { ...said, scheme }, listen, settings);
  return await explainRequest({ stages, pools, clock }, ctx, input.answer, refusalOf(ctx, settings));
}

/** Its listener: the one that the input names, or the first that serves its scheme. */
function listenerOf(
  all: readonly Listen[],
  { listener, url }: ExplainInput,
  { scheme }: Rehearsed,
): Listen | undefined {
  if (listener === '') {
    const hasScheme = /^https?:/i.test(url);
    return all.find(({ tls }) => hasScheme && (tls !== undefined) === (scheme === 'https')) ?? all[0];
  }
  const found = all.find(({ name }) => name === listener);
  if (found !== undefined) return found;
  const names = all.map(({ name }) => name);
  const near = nearest(listener, names);
  const hint = near === undefined ? `there is ${names.join(', ')}` : `did you mean ${JSON.stringify(near)}?`;
  const detail = `listener: there is no listener ${JSON.stringify(listener.slice(0, 200))}; ${hint}`;
  throw new WeldrError('INPUT_INVALID', detail, { field: 'listener' });
}

/** Adds what the wire adds for a client at this address. */
function describeClient(
  ctx: ProxyContext,
  { clientIp, scheme }: Rehearsed,
  listen: Listen | undefined,
  settings: Settings,
): void {
  const state = stateOf(ctx);
  const forwarding = new Forwarding(settings);
  const peer: Peer = {
    ip: clientIp,
    port: 0,
    localIp: undefined,
    localPort: listen?.target.kind === 'tcp' ? listen.target.port : 0,
    listener: listen?.name ?? '',
    trusted: forwarding.trusts(clientIp),
    tls: undefined,
    certified: '',
    proxy: undefined,
    scheme,
    described: '',
    describedHost: undefined,
  };
  const received = state.headers.keys.some(key => key === 'forwarded' || forwardingAlias.test(key));
  forwarding.apply(state, peer, received);
}

/** Why it would be refused. */
function refusalOf(ctx: ProxyContext, { limits, trace }: Settings): WeldrError | undefined {
  const { bodyLength, method } = stateOf(ctx);
  if (limits.body !== undefined && bodyLength > limits.body) return new WeldrError('BODY_TOO_LARGE');
  return method === 'TRACE' && !trace ? new WeldrError('METHOD_NOT_ALLOWED', 'TRACE') : undefined;
}
