// Admission: which requests reach the stages, in any protocol.
import { WeldrError } from '../../errors.ts';
import type { Reply } from '../../request/reply.ts';
import type { Settings } from '../../settings/settings.ts';
import type { Forwarding } from './forwarding.ts';
import { optionsReply, traceReply } from './own-responses.ts';
import type { ClientStream, InboundRequest } from './streams.ts';

/** A request that has passed proxies of this name this often is in a loop. */
const maxPasses = 8;

/** The rules of one worker. */
export class Admission {
  private readonly maxBody: number;
  private readonly trace: boolean;
  private readonly forwarding: Forwarding;

  constructor(settings: Settings, forwarding: Forwarding) {
    this.maxBody = settings.limits.body ?? Number.POSITIVE_INFINITY;
    this.trace = settings.trace;
    this.forwarding = forwarding;
  }

  /** Returns undefined to let the request in, otherwise why it is refused or the reply that ends it here. */
  judge(request: InboundRequest, client: ClientStream): WeldrError | Reply | undefined {
    const { maxForwards, method, via } = request;
    if (request.length > this.maxBody) {
      const text = `the request body of ${request.length} bytes is over limits.body, ${this.maxBody}`;
      return new WeldrError('BODY_TOO_LARGE', text);
    }
    if (method === 'TRACE' && (!this.trace || request.length !== 0)) {
      return new WeldrError(this.trace ? 'BAD_REQUEST' : 'METHOD_NOT_ALLOWED', 'TRACE');
    }
    if (via !== '' && this.forwarding.passes(via) >= maxPasses) {
      const from = client.peer.ip;
      return new WeldrError('LOOP', `a request from ${from} has passed this proxy ${maxPasses} times`);
    }
    return maxForwards === undefined ? undefined : this.spendForward(request, maxForwards, client);
  }

  /** Max-Forwards (RFC 9110 section 7.6.2). */
  private spendForward(
    { headers, host, method, target }: InboundRequest,
    value: string,
    client: ClientStream,
  ): WeldrError | Reply | undefined {
    if (method !== 'OPTIONS' && method !== 'TRACE') return undefined;
    if (!/^\d{1,9}$/.test(value)) return new WeldrError('BAD_REQUEST', 'a malformed Max-Forwards');
    if (Number(value) === 0) {
      return method === 'TRACE' ? traceReply(client.echo(method, target, host)) : optionsReply();
    }
    headers.set('Max-Forwards', String(Number(value) - 1));
    return undefined;
  }
}
