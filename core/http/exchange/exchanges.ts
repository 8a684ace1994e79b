// Exchanges: a worker's free list of exchanges. A request takes one and gives it back, so that neither an exchange nor
// a pipeline is made for each, and an idle connection holds none.
import { Exchange } from './exchange.ts';
import type { ClientStream } from './streams.ts';
import type { Wire } from './wire.ts';

/** How many are kept while they are not in use. */
const maxSpare = 1024;

/** The exchanges of one worker. */
export class Exchanges {
  private readonly wire: Wire;
  private readonly spare: Exchange[] = [];

  constructor(wire: Wire) {
    this.wire = wire;
  }

  /** One for the request that `client` is about to bring. */
  take(client: ClientStream): Exchange {
    const exchange = this.spare.pop() ?? new Exchange(this.wire);
    exchange.attach(client);
    return exchange;
  }

  /** Takes back one that is over and which nothing calls any more. */
  giveBack(exchange: Exchange): void {
    if (this.spare.length < maxSpare) this.spare.push(exchange);
  }
}
