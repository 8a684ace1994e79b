// WantedRequests: decides which requests are logged: those of some kinds, and a share of the others.
import type { ProxyContext } from '../../core/request/context.ts';

/** Kinds of requests; one match is enough. */
export interface WantedKinds {
  /** Statuses such as `404` and `5xx`. */
  readonly status?: readonly (string | number)[] | undefined;
  /** Requests that took longer, ms. */
  readonly slower?: number | undefined;
  /** Requests that were retried. */
  readonly retried?: boolean | undefined;
  /** Requests without a whole response of an upstream or a plugin: errors, refusals, truncated bodies, clients that left. */
  readonly failed?: boolean | undefined;
}

/** Decides which requests are logged. */
export class WantedRequests {
  private readonly kinds: WantedKinds | undefined;
  private readonly statuses = new Set<number>();
  private readonly share: number;

  /** @param share the share of requests that `kinds` does not name, 0 to 1; default: 1 without kinds, 0 with them */
  constructor(kinds: WantedKinds | undefined, share: number | undefined) {
    this.kinds = kinds;
    this.share = share ?? (kinds === undefined ? 1 : 0);
    for (const status of kinds?.status ?? [])
      for (const each of statusesOf(String(status))) this.statuses.add(each);
  }

  has(ctx: ProxyContext): boolean {
    if (this.share >= 1) return true;
    if (this.kinds !== undefined && this.isNamed(ctx, this.kinds)) return true;
    return this.share > 0 && Math.random() < this.share;
  }

  private isNamed(ctx: ProxyContext, { slower, retried, failed }: WantedKinds): boolean {
    if (this.statuses.has(ctx.status)) return true;
    if (slower !== undefined && ctx.finishedAt - ctx.startedAt > slower) return true;
    if (retried === true && ctx.tried.length > 1) return true;
    return failed === true && (ctx.error !== undefined || ctx.outcome !== 'complete');
  }
}

function statusesOf(key: string): number[] {
  if (!key.endsWith('xx')) return [Number(key)];
  return Array.from({ length: 100 }, (_, n) => Number(key[0]) * 100 + n);
}
