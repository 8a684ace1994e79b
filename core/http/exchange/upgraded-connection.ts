// UpgradedConnection: an upstream's connection that has switched protocols, until a tunnel joins it to the client's.
import type { Duplex } from 'node:stream';
import { HeaderList, isFieldValue } from '../../request/headers.ts';
import type { RequestState } from '../../request/request-state.ts';
import type { ExchangeHome } from './exchange-home.ts';
import type { ClientStream, InboundResponse } from './streams.ts';
import { Tunnel } from './tunnel.ts';

const noHeaders = new HeaderList();

/** One connection, which waits while stages handle its 101. */
export class UpgradedConnection {
  private readonly socket: Duplex;
  /** Bytes of the new protocol that have already been read. */
  private readonly rest: Buffer;
  private readonly protocol: string;
  private readonly reason: string;

  /** `head`: the 101. */
  constructor({ upgrade = '', reason = '' }: InboundResponse, socket: Duplex, rest: Buffer) {
    this.protocol = upgrade;
    this.reason = reason;
    this.socket = socket;
    this.rest = rest;
    socket.pause();
  }

  /** Returns whether it speaks one of the protocols that the client offered. */
  isOneOf(offered: string | undefined): boolean {
    const protocols = offered?.toLowerCase().split(', ') ?? [];
    return protocols.includes(this.protocol.toLowerCase()) && isFieldValue(this.protocol);
  }

  /** Sends the client the 101, and joins both connections. `onClose`: called once both are closed. */
  join(
    client: ClientStream,
    { responseHeaders }: RequestState,
    { deadlines, settings }: ExchangeHome,
    onClose: () => void,
  ): Tunnel {
    const { socket, rest } = client.switchProtocols(this.reason, responseHeaders ?? noHeaders, this.protocol);
    const tunnel = new Tunnel(socket, this.socket, deadlines, settings.timeouts.tunnel, onClose);
    tunnel.start(rest, this.rest);
    return tunnel;
  }

  destroy(): void {
    this.socket.destroy();
  }
}
