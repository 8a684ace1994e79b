// Tunnel: two connections joined after a 101, passing bytes both ways (RFC 9110 section 7.8).
import type { Duplex } from 'node:stream';
import { hearOut } from '../upstream/last-words.ts';
import type { Deadlines, Waiting } from './deadlines.ts';

/** One upgraded connection. Back-pressure and half-close pass through; silence on both sides ends it. */
export class Tunnel implements Waiting {
  deadline = 0;
  deadlineSlot = -1;
  /** Bytes from and to the client. */
  bytesIn = 0;
  bytesOut = 0;
  private readonly client: Duplex;
  private readonly upstream: Duplex;
  private readonly deadlines: Deadlines;
  private readonly idleTimeout: number;
  private readonly onClose: () => void;
  private open = 2;
  private closed = false;

  /** `onClose`: called once, when both sockets are closed. */
  constructor(
    client: Duplex,
    upstream: Duplex,
    deadlines: Deadlines,
    idleTimeout: number,
    onClose: () => void,
  ) {
    this.client = client;
    this.upstream = upstream;
    this.deadlines = deadlines;
    this.idleTimeout = idleTimeout;
    this.onClose = onClose;
    hearOut(client, () => true);
    deadlines.add(this);
  }

  /** Joins the two. `fromUpstream` and `fromClient`: bytes that have already been read. */
  start(fromClient: Buffer, fromUpstream: Buffer): void {
    const { client, upstream } = this;
    this.touch();
    if (fromUpstream.length > 0) this.client.write(fromUpstream);
    if (fromClient.length > 0) this.upstream.write(fromClient);
    this.bytesIn += fromClient.length;
    this.bytesOut += fromUpstream.length;
    client.on('data', (bytes: Buffer) => {
      this.bytesIn += bytes.length;
      this.touch();
    });
    upstream.on('data', (bytes: Buffer) => {
      this.bytesOut += bytes.length;
      this.touch();
    });
    client.pipe(upstream);
    upstream.pipe(client);
    for (const socket of [client, upstream]) {
      socket.on('error', () => this.end());
      socket.on('close', () => this.onSocketClose());
    }
    // A socket that is already closed emits no more events.
    this.open = [client, upstream].filter(socket => !socket.closed).length;
    if (client.destroyed || upstream.destroyed) this.destroy();
  }

  destroy(): void {
    this.client.destroy();
    this.upstream.destroy();
  }

  onDeadline(): void {
    this.destroy();
  }

  /** Ends both sides, after each has got what the other sent. */
  private end(): void {
    for (const socket of [this.client, this.upstream]) socket.end(() => socket.destroy());
  }

  private touch(): void {
    this.deadline = this.deadlines.in(this.idleTimeout);
  }

  private onSocketClose(): void {
    // If one side has closed without a FIN, the other has nothing to wait for.
    this.end();
    if (--this.open > 0 || this.closed) return;
    this.closed = true;
    this.deadlines.remove(this);
    this.onClose();
  }
}
