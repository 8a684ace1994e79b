// HomeTokens: the tokens that name a pool's upstreams in cookies. They can be neither read nor forged.
import { createHmac } from 'node:crypto';
import type { Pool, Upstream } from '../../core/pool/pool.ts';

/** The bytes of the digest that a token has: too many to be guessed. */
const tokenBytes = 16;

/** The tokens of a pool's upstreams. */
export class HomeTokens {
  private readonly secrets: readonly string[];
  private readonly upstreams = new Map<string, Upstream>();
  private readonly tokens = new Map<Upstream, readonly string[]>();
  private readonly stop: () => void;

  /** @param secrets new tokens are made with the first; those of all are accepted */
  constructor(pool: Pool, secrets: readonly string[]) {
    this.secrets = secrets;
    this.stop = pool.observe({
      added: upstream => this.add(upstream),
      removed: upstream => this.remove(upstream),
    });
    for (const upstream of pool) this.add(upstream);
  }

  /** Returns the upstream of a token; undefined: there is none. */
  upstreamOf(token: string): Upstream | undefined {
    return this.upstreams.get(token);
  }

  /** Returns the token of an upstream; undefined if it is not in the pool. */
  tokenOf(upstream: Upstream): string | undefined {
    return this.tokens.get(upstream)?.[0];
  }

  close(): void {
    this.stop();
  }

  private add(upstream: Upstream): void {
    const tokens = this.secrets.map(secret => tokenFor(upstream, secret));
    this.tokens.set(upstream, tokens);
    for (const token of tokens) this.upstreams.set(token, upstream);
  }

  private remove(upstream: Upstream): void {
    for (const token of this.tokens.get(upstream) ?? []) {
      if (this.upstreams.get(token) === upstream) this.upstreams.delete(token);
    }
    this.tokens.delete(upstream);
  }
}

/** Depends only on the pool and id of the upstream: it is the same in all workers and Weldrs, and after a server's restart. */
function tokenFor({ pool, id }: Upstream, secret: string): string {
  const digest = createHmac('sha256', secret).update(`${pool}\n${id}`).digest();
  return digest.subarray(0, tokenBytes).toString('base64url');
}
