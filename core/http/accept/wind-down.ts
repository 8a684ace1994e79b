// WindDown: ends the connections of one worker that came by addresses which are about to move to another machine, so
// that no request is lost with them. All other connections go on.
import { NetworkSet } from '../../network/network.ts';
import type { AcceptedConnection } from '../exchange/connections.ts';

/** How often it looks, ms. */
const lookEvery = 10;
/** A client that has not sent anything for this long is not about to, ms. */
const quietTime = 1000;
/** What a client has sent before it knew is here by then, as is what has connected before it could not any more, ms. */
const underWay = 20;

/** What a {@link WindDown} works with. */
export interface WindDownOptions {
  /** Addresses of this machine. */
  readonly addresses: readonly string[];
  /** All connections that are open. */
  readonly open: ReadonlySet<AcceptedConnection>;
  /** The time, as connections tell it. */
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
   * Has the next answer on each connection be the last one, and closes those that are quiet. Resolves when no client is left that
   * may be about to send one more request on a connection that it has kept, after `ms` at the latest.
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
        // Its client has been told which request was the last one, and sends others elsewhere.
        if (connection.kind === 'h2' && begun <= before && connection.idleSince <= before) {
          connection.closeIfIdle();
        }
      }
      return kept.length === 0;
    });
  }

  /** Resolves when all of them have ended, after `ms` at the latest: what is left then is reset, and so is who comes later. */
  async finish(ms: number): Promise<void> {
    const { now } = this.options;
    const finishing = now();
    await this.look(ms, () => {
      const before = now() - underWay;
      const left = this.concerned();
      for (const connection of left) {
        // Who has connected since it began is about to send a request.
        const limit = connection.kind === 'h2' ? before : this.begun;
        if (connection.idleSince <= limit) connection.closeIfIdle();
      }
      return finishing <= before && left.every(connection => connection.outlives);
    });
    this.cut();
  }

  /** Resets all of them, and who comes later. */
  cut(): void {
    this.isOver = true;
    for (const connection of this.concerned()) connection.breakOff();
  }

  /** Takes note of a connection that has come only now. */
  take(connection: AcceptedConnection): void {
    if (!this.concerns(connection)) return;
    if (this.isOver) connection.breakOff();
    else connection.endSoon();
  }

  /** Asked of the system once: looks are many. */
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
