// Acceptor: makes an accepted socket a connection that speaks its protocol, or turns it away.
import type { Socket } from 'node:net';
import { errorTable } from '../../errors.ts';
import type { AcceptedConnection, ConnectionKeeper } from '../exchange/connections.ts';
import type { Peer } from '../exchange/streams.ts';
import type { Wire } from '../exchange/wire.ts';
import { H1ClientConnection } from '../h1/client-connection.ts';
import { turnedAway } from '../h1/head-writer.ts';
import { RequestHead } from '../h1/request-head.ts';
import { type BlockReaders, H2ClientConnection } from '../h2/client-connection.ts';
import { RequestBlock } from '../h2/request-block.ts';
import { TrailerBlock } from '../h2/trailer-block.ts';

/** The accepting side of one worker's protocols. */
export class Acceptor {
  private readonly wire: Wire;
  private readonly keeper: ConnectionKeeper;
  private readonly requestHead: RequestHead;
  private blocks: BlockReaders | undefined = undefined;

  constructor(wire: Wire, keeper: ConnectionKeeper) {
    this.wire = wire;
    this.keeper = keeper;
    this.requestHead = new RequestHead(wire.settings.limits);
  }

  /** Starts a connection's protocol. */
  accept(socket: Socket, peer: Peer, protocol: 'h2' | 'http/1.1'): AcceptedConnection {
    if (protocol === 'h2') {
      this.blocks ??= { request: new RequestBlock(this.wire.settings.limits), trailers: new TrailerBlock() };
      return new H2ClientConnection(this.keeper, this.wire, this.blocks, socket, peer);
    }
    return new H1ClientConnection(this.keeper, this.wire, this.requestHead, socket, peer);
  }

  /** Turns a connection away with a response, and closes it. */
  turnAway(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    socket.end(turnedAway(errorTable.OVERLOADED.status), () => socket.destroy());
  }
}
