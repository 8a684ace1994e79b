// AttemptRelay: the attempts of an exchange, one after another: each waits for a stream to its upstream, and sends the request
// on it.
import type { Duplex } from 'node:stream';
import type { WeldrError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import type { RequestState } from '../../request/request-state.ts';
import type { ConnectionCache } from '../upstream/connection-cache.ts';
import type { StreamTaker } from '../upstream/stream-queue.ts';
import { BodyRelay } from './body-relay.ts';
import { OutgoingHead, timeoutsOf } from './outgoing-head.ts';
import type { BodyForm, InboundResponse, Peer, ResponseReceiver, UpstreamStream } from './streams.ts';
import type { UpgradedConnection } from './upgraded-connection.ts';

/** A body of up to this many bytes that arrived with its head is sent with it, and can be sent again. */
const smallBody = 16 * 1024;

/** The upstream's side of one exchange. The exchange itself decides what follows an attempt. */
export abstract class AttemptRelay extends BodyRelay implements StreamTaker, ResponseReceiver {
  protected readonly outgoing = new OutgoingHead();
  protected cache: ConnectionCache | undefined = undefined;
  /** Whether the upstream's stream is held because a stage after its head is still running. */
  protected judgedLate = false;
  /** The upstream's connection after a 101, while stages handle the 101. */
  protected upgraded: UpgradedConnection | undefined = undefined;

  /** Called when an attempt got no stream. */
  protected abstract attemptFailed(error: WeldrError): void;

  abstract onInterim(response: InboundResponse): void;

  abstract onHead(response: InboundResponse): BodyForm;

  abstract onUpgraded(response: InboundResponse, socket: Duplex, rest: Buffer): void;

  abstract onAttemptError(error: WeldrError): void;

  /** Starts an attempt at the chosen upstream. */
  protected attempt(upstream: Upstream, state: RequestState): void {
    this.cache = this.home.upstreams.connectionsTo(upstream);
    this.acquireStream(state);
  }

  private acquireStream({ upgrade }: RequestState): void {
    this.cache?.acquire(this, upgrade === undefined ? 'requests' : 'upgrade');
  }

  get peer(): Peer | undefined {
    return this.client?.peer;
  }

  get readiness(): StreamTaker['readiness'] {
    const { client, state } = this;
    if (client === undefined || client.bodyArrived(Number.POSITIVE_INFINITY)) return 'whole';
    // A client that waits for 100 Continue sends no body until then.
    return state?.rare?.expectContinue === true || client.bodyArrived(smallBody) ? 'begun' : 'awaited';
  }

  get connectTimeout(): number {
    const { timeouts } = this.home.settings;
    return this.state === undefined ? timeouts.connect : timeoutsOf(this.state, timeouts).connect;
  }

  awaitConnection(): void {
    this.state?.attempt?.connecting(performance.now());
  }

  awaitBeginning(): void {
    this.client?.gatherBody(smallBody);
  }

  onBodyArrived(): void {
    if (this.state !== undefined) this.acquireStream(this.state);
  }

  takeStream(stream: UpstreamStream): void {
    const { state, client } = this;
    if (state === undefined || client === undefined) return;
    this.upstream = stream;
    const transforms = state.bodyLength === 0 ? undefined : state.rare?.requestTransforms;
    if (transforms !== undefined && !this.startRequestChain(transforms)) return;
    const body = client.takeSmallBody(smallBody);
    // The part of the body that has already arrived leaves in the same write as the head.
    const joined = !client.requestComplete && stream.connected;
    if (joined) stream.cork();
    const form = this.formFor(stream);
    const chain = this.requestChain;
    const head = this.outgoing.of(
      state,
      form,
      chain === undefined ? state.bodyLength : -1,
      this.home.settings.timeouts,
    );
    stream.send(head, chain === undefined ? body : undefined, this);
    state.attempt?.reuses(stream.reused);
    // A connection that is still being opened calls `onConnected`.
    if (stream.connected) state.attempt?.sent(performance.now());
    else state.attempt?.connecting(performance.now());
    if (body !== undefined) {
      state.bytesIn = body.length;
      chain?.write(body);
    }
    if (client.requestComplete) {
      if (chain === undefined) stream.endRequest(undefined);
      else this.endRequestChain(chain, undefined);
    } else {
      this.bodyWanted = stream.connected;
      if (this.bodyWanted) client.resumeBody(form);
    }
    if (joined) stream.uncork();
  }

  goWithout(error: WeldrError): void {
    this.cache = undefined;
    this.attemptFailed(error);
  }

  onConnected(): void {
    this.state?.attempt?.sent(performance.now());
    this.bodyWanted = true;
    this.askForBody();
  }

  protected dropAttempt(): void {
    this.cache?.leave(this);
    this.cache = undefined;
    this.upstream?.cancel();
    this.upstream = undefined;
    this.upgraded?.destroy();
    this.upgraded = undefined;
    this.dropRequestChain();
    this.bodyWanted = false;
    this.judgedLate = false;
  }
}
