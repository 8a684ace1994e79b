// OutgoingResponse: the head that a client's stream sends: of an upstream's response, a reply or an error.
import { HeaderList } from '../../request/headers.ts';
import type { RequestState } from '../../request/request-state.ts';
import type { BodyForm, InboundResponse, OutboundResponse } from './streams.ts';

const noHeaders = new HeaderList();

/** One per exchange, reused for each response, so no request allocates its own. */
export class OutgoingResponse implements OutboundResponse {
  status = 0;
  reason: string | undefined = undefined;
  headers: HeaderList = noHeaders;
  hasDate = false;
  length: number | undefined = undefined;
  isAnnounced = true;
  endsWith: OutboundResponse['endsWith'] = 'its length';
  body: OutboundResponse['body'] = 'none';
  /** The form in which the upstream's stream hands on the body. */
  form: BodyForm = 'payload';
  // of the upstream's response, before plugins edit it
  private upstreamStatus = 0;
  private upstreamReason: string | undefined = undefined;
  private upstreamLength = 0;
  private announced: number | undefined = undefined;
  private upstreamEndsWith: OutboundResponse['endsWith'] = 'its length';
  private upstreamHasDate = false;

  /** Remembers an upstream's head for {@link ofUpstream}. `takes`: the form that the client's stream prefers for the body. */
  note(head: InboundResponse, takes: BodyForm): void {
    this.upstreamStatus = head.status;
    this.upstreamReason = head.reason;
    this.upstreamLength = head.length;
    this.announced = head.announced;
    this.upstreamEndsWith = head.endsWith;
    this.upstreamHasDate = head.hasDate;
    this.form = head.form === 'chunks' ? takes : 'payload';
  }

  /** Becomes the head of the upstream's response, with the edits of plugins. Returns whether its body is to be transformed. */
  ofUpstream(state: RequestState, method: string): boolean {
    const { status } = state;
    const headers = state.responseHeaders ?? noHeaders;
    const isTransformed = state.rare?.responseTransforms !== undefined;
    this.status = status;
    this.reason = status === this.upstreamStatus ? this.upstreamReason : undefined;
    this.headers = headers;
    this.hasDate = headers.edited ? headers.has('date') : this.upstreamHasDate;
    this.isAnnounced = this.announced !== undefined;
    this.endsWith = this.upstreamEndsWith;
    if (method === 'HEAD' || status === 204 || status === 304) {
      this.body = 'none';
      this.length = status === 204 || isTransformed ? undefined : this.announced;
      return false;
    }
    if (!isTransformed || this.upstreamLength === 0) {
      this.body = this.form;
      this.length = this.upstreamLength >= 0 ? this.upstreamLength : undefined;
      return false;
    }
    this.form = 'payload';
    this.body = 'payload';
    this.length = undefined;
    return true;
  }

  /** Becomes the head of a reply with a body of `size` bytes. Returns how many of them to send. */
  ofReply({ status, rare }: RequestState, headers: HeaderList, method: string, size: number): number {
    const hasLength = status !== 204 && status !== 304;
    const sent = method !== 'HEAD' && hasLength ? size : 0;
    const isTransformed = size > 0 && rare?.responseTransforms !== undefined;
    this.status = status;
    this.reason = undefined;
    this.headers = headers;
    this.hasDate = headers.has('date');
    this.isAnnounced = true;
    this.endsWith = 'its length';
    this.body = sent > 0 ? 'payload' : 'none';
    this.length = hasLength && !isTransformed ? size : undefined;
    return sent;
  }

  /** Becomes the head of a reply to a gRPC client, which has no body. */
  ofGrpc(fields: HeaderList): void {
    this.status = 200;
    this.reason = undefined;
    this.headers = fields;
    this.hasDate = fields.has('date');
    this.isAnnounced = false;
    this.body = 'none';
    this.length = undefined;
  }

  /** Releases the last response. */
  clear(): void {
    this.headers = noHeaders;
  }
}
