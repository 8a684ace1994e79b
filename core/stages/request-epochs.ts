// RequestEpochs: reports when the requests under way are over, whatever has begun since. A request costs two counts, and
// allocates nothing.

/** The requests that began between two turns. */
export class RequestEpoch {
  private readonly over = Promise.withResolvers<void>();
  private requests = 0;
  private isClosed = false;

  /** A request begins. */
  begin(): void {
    this.requests++;
  }

  /** A request that began here is over. */
  end(): void {
    this.requests--;
    if (this.isClosed && this.requests === 0) this.over.resolve();
  }

  get isEmpty(): boolean {
    return this.requests === 0;
  }

  /** No more requests begin here; resolves when all are over. */
  async closed(): Promise<void> {
    this.isClosed = true;
    if (this.requests > 0) await this.over.promise;
  }
}

/** The requests of one worker. */
export class RequestEpochs {
  /** The epoch of requests that begin now. */
  current = new RequestEpoch();
  /** Earlier epochs, in which requests are still under way. */
  private readonly earlier = new Set<Promise<void>>();

  /** Resolves when all requests that have begun so far are over. */
  async quiet(): Promise<void> {
    if (!this.current.isEmpty) {
      const over = this.current.closed();
      this.earlier.add(over);
      void over.then(() => this.earlier.delete(over));
      this.current = new RequestEpoch();
    }
    await Promise.all(this.earlier);
  }
}
