// OutgoingHead: the head that an upstream's stream sends: a request with the edits of plugins.
import { HeaderList } from '../../request/headers.ts';
import type { RequestState } from '../../request/request-state.ts';
import type { BodyForm, OutboundRequest, UpstreamTimeouts } from './streams.ts';

/** A head that an exchange gives its streams to write, and reuses for the next request. */
export type Reused<T> = { -readonly [K in keyof T]: T[K] };

const noHeaders = new HeaderList();

/** One per exchange, reused for each request, so no request allocates its own. */
export class OutgoingHead {
  private readonly request: Reused<OutboundRequest> = {
    method: 'GET',
    target: '/',
    host: undefined,
    headers: noHeaders,
    addedLines: '',
    length: 0,
    form: 'payload',
    upgrade: undefined,
    expectContinue: false,
    takesTrailers: false,
    timeouts: { connect: 0, response: 0, body: 0 },
  };

  /**
   * Returns the head of this attempt, valid until the next call. `length`: bytes of the body, negative if not known in
   * advance. `timeouts`: used unless the request or its pool has others.
   */
  of(state: RequestState, form: BodyForm, length: number, timeouts: UpstreamTimeouts): OutboundRequest {
    const { request } = this;
    const { upstream, edited } = state;
    const ownHost = edited?.hasOwnHost === true ? undefined : upstream?.ownHost;
    const host = edited === undefined ? state.host : edited.host;
    const headers = edited?.editedHeaders;
    request.method = edited === undefined ? state.method : edited.method;
    request.target = edited === undefined ? state.target : edited.target;
    request.host = ownHost ?? (host === '' ? upstream?.authority : undefined);
    request.headers = headers ?? state.rare?.cleanedHeaders ?? state.headers;
    request.addedLines = headers === undefined ? state.addedLines : '';
    request.length = length;
    request.form = form;
    request.upgrade = state.upgrade;
    request.expectContinue = state.rare?.expectContinue === true;
    request.takesTrailers = state.takesTrailers;
    request.timeouts = timeoutsOf(state, timeouts);
    return request;
  }

  /** Releases the last request. */
  clear(): void {
    this.request.headers = noHeaders;
  }
}

/** Returns the timeouts of this attempt. `timeouts`: used unless the request or its pool has others. */
export function timeoutsOf({ rare, attempt }: RequestState, timeouts: UpstreamTimeouts): UpstreamTimeouts {
  const ofPool = attempt?.upstream.home?.settings.timeouts;
  if (rare === undefined && ofPool === undefined) return timeouts;
  const connect = rare?.connectTimeout ?? ofPool?.connect;
  const response = rare?.responseTimeout ?? ofPool?.response;
  const body = rare?.bodyTimeout ?? ofPool?.body;
  if (connect === undefined && response === undefined && body === undefined) return timeouts;
  return {
    connect: connect ?? timeouts.connect,
    response: response ?? timeouts.response,
    body: body ?? timeouts.body,
  };
}
