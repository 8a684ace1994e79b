// UpstreamConnector: opens a worker's connections to upstreams, in whichever protocol each upstream speaks.
import type { HeadLimits } from '../exchange/head-limits.ts';
import type { Peer } from '../exchange/streams.ts';
import { ResponseHead } from '../h1/response-head.ts';
import { H1UpstreamConnection } from '../h1/upstream-connection.ts';
import { ResponseBlock } from '../h2/response-block.ts';
import { TrailerBlock } from '../h2/trailer-block.ts';
import { H2UpstreamConnection, type ResponseReaders } from '../h2/upstream-connection.ts';
import { type Dialling, dial } from '../upstream/dial.ts';
import type { Dialler, PendingConnection } from '../upstream/pending-connection.ts';
import type { Protocol } from '../upstream/protocols.ts';
import type { Use } from '../upstream/stream-queue.ts';
import type { ConnectionHome, Connector, UpstreamConnection } from '../upstream/upstream-connection.ts';

const http1: readonly Protocol[] = ['http/1.1'];

/** The connector of one worker, whose connections share the readers of heads. */
export class UpstreamConnector implements Connector {
  private readonly limits: HeadLimits;
  private readonly dialling: Dialling;
  private readonly responseHead: ResponseHead;
  private blocks: ResponseReaders | undefined = undefined;

  constructor(limits: HeadLimits, dialling: Dialling) {
    this.limits = limits;
    this.dialling = dialling;
    this.responseHead = new ResponseHead(limits);
  }

  connect(home: ConnectionHome, use: Use, client: Peer | undefined): UpstreamConnection {
    const purpose = { use, protocols: http1, client };
    return new H1UpstreamConnection(
      home,
      this.responseHead,
      reader => dial(home.upstream, purpose, this.dialling, reader),
      client,
    );
  }

  readonly dial: Dialler = (upstream, protocols, reader) =>
    dial(upstream, { use: 'requests', protocols, client: undefined }, this.dialling, reader);

  speak(home: ConnectionHome, pending: PendingConnection, protocol: Protocol): UpstreamConnection {
    if (protocol === 'http/1.1') return new H1UpstreamConnection(home, this.responseHead, pending, undefined);
    this.blocks ??= { response: new ResponseBlock(this.limits), trailers: new TrailerBlock() };
    return new H2UpstreamConnection(home, pending, this.blocks);
  }
}
