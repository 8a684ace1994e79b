// WindDown: ends one worker's connections to addresses that are moving to another machine, without losing a request. All
// other connections continue.
import { NetworkSet } from '../../network/network.ts';
import type { AcceptedConnection } from '../exchange/connections.ts';

/** How often connections are checked, ms. */
const lookEvery = 10;
/** A client that has sent nothing for this long is assumed not to be sending, ms. */
const quietTime = 1000;
/** How long, ms, a request or connection that a client started before it learned of the end may be under way. */
const underWay = 20;

export interface WindDownOptions {
  /** Addresses of this machine. */
  readonly addresses: readonly string[];
  /** All connections that are open. */
  readonly open: ReadonlySet<AcceptedConnection>;
  /** The time by the connections' clock. */
  now(): number;
}

/** The last moments of some addresses on this machine: `begin`, then `finish`. */
export class WindDown {
  private readonly options: WindDownOptions;
  private readonly addresses: NetworkSet;
  private readonly known = new WeakMap<AcceptedConnection, boolean>();
  private readonly begun: number;
  private isOver = false;

  constructor(options: WindDownOptions) {
    this.options = options;
    this.addresses = new NetworkSet(options.addresses);
    this.begun = options.now();
  }

  /**
   * Makes the next response on each connection the last one, and closes quiet connections. Resolves when no client can be
   * about to send another request on a connection that it kept, after `ms` at the latest.
   */
  async begin(ms: number): Promise<void> {
    const { now, open } = this.options;
    const { begun } = this;
    let kept = this.concerned();
    for (const connection of kept) {
      if (connection.idleSince <= begun - quietTime) connection.closeIfIdle();
      connection.endSoon();
    }
    await this.look(ms, () => {
      const before = now() - underWay;
      kept = kept.filter(connection => open.has(connection) && connection.activeRequests === 0);
      for (const connection of kept) {
        // Its client knows which request was the last, and sends others elsewhere.
        if (connection.kind === 'h2' && begun <= before && connection.idleSince <= before) {
          connection.closeIfIdle();
        }
      }
      return kept.length === 0;
    });
  }

  /** Resolves when all connections have ended, after `ms` at the latest. Then resets those left, and those that come later. */
  async finish(ms: number): Promise<void> {
    const { now } = this.options;
    const finishing = now();
    await this.look(ms, () => {
      const before = now() - underWay;
      const left = this.concerned();
      for (const connection of left) {
        // A client that has connected since the beginning is about to send a request.
        const limit = connection.kind === 'h2' ? before : this.begun;
        if (connection.idleSince <= limit) connection.closeIfIdle();
      }
      return finishing <= before && left.every(connection => connection.outlives);
    });
    this.cut();
  }

  /** Resets the remaining connections, and those that come later. */
  cut(): void {
    this.isOver = true;
    for (const connection of this.concerned()) connection.breakOff();
  }

  /** Takes a connection that has just arrived. */
  take(connection: AcceptedConnection): void {
    if (!this.concerns(connection)) return;
    if (this.isOver) connection.breakOff();
    else connection.endSoon();
  }

  /** Cached: it takes a system call, and connections are checked often. */
  private concerns(connection: AcceptedConnection): boolean {
    const known = this.known.get(connection);
    if (known !== undefined) return known;
    const { localAddress } = connection;
    const concerns = localAddress !== undefined && this.addresses.has(localAddress);
    this.known.set(connection, concerns);
    return concerns;
  }

  private concerned(): AcceptedConnection[] {
    return [...this.options.open].filter(connection => this.concerns(connection));
  }

  private async look(ms: number, isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    const done = Promise.withResolvers<void>();
    const looks = setInterval(() => {
      if (isDone()) done.resolve();
    }, lookEvery);
    const limit = setTimeout(done.resolve, ms);
    await done.promise;
    clearInterval(looks);
    clearTimeout(limit);
  }
}
