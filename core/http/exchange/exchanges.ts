// Exchanges: a worker's free list of exchanges. Each request takes one and gives it back, so no exchange or pipeline is
// created per request, and an idle connection holds none.
import { Exchange, type ExchangeKeeper } from './exchange.ts';
import type { ExchangeHome } from './exchange-home.ts';
import type { ClientStream } from './streams.ts';

/** How many unused exchanges are kept. */
const maxSpare = 1024;

/** The exchanges of one worker. */
export class Exchanges implements ExchangeKeeper {
  private readonly home: ExchangeHome;
  private readonly spare: Exchange[] = [];

  constructor(home: ExchangeHome) {
    this.home = home;
  }

  /** Returns an exchange for the next request of `client`. */
  take(client: ClientStream): Exchange {
    const exchange = this.spare.pop() ?? new Exchange(this.home, this);
    exchange.attach(client);
    return exchange;
  }

  giveBack(exchange: Exchange): void {
    if (this.spare.length < maxSpare) this.spare.push(exchange);
  }
}
