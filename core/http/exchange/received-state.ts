// The initial state of a request that was received, or refused before its head could be read.
import { HeaderList } from '../../request/headers.ts';
import { RequestState } from '../../request/request-state.ts';
import type { ExchangeHome } from './exchange-home.ts';
import type { ClientStream, InboundRequest } from './streams.ts';

/** The state of a request whose head has been read. */
export function receivedState(
  request: InboundRequest,
  { peer }: ClientStream,
  home: ExchangeHome,
): RequestState {
  const startedAt = home.deadlines.touch();
  const { method, target, version, headers } = request;
  const state = new RequestState(method, target, version, headers, home.pools.default, startedAt);
  state.host = request.host;
  state.bodyLength = request.length;
  state.takesTrailers = request.takesTrailers;
  if (request.upgrade !== undefined) state.ensureRare().upgrade = request.upgrade;
  if (request.expectContinue) state.ensureRare().expectContinue = true;
  home.forwarding.apply(state, peer, request.hasForwarding);
  return state;
}

/** The state of a request whose head could not be read: only its sender is known. */
export function unreadState({ peer }: ClientStream, { deadlines, pools }: ExchangeHome): RequestState {
  const state = new RequestState('', '', '1.1', new HeaderList(), pools.default, deadlines.touch());
  state.clientIp = peer.ip;
  state.connection = peer;
  state.scheme = peer.scheme;
  return state;
}
