// BalancerCheck: one rule that every balancer must keep.
import type { Plugin } from '../../plugin/plugin.ts';

/** One check; throws an Error that says what was wrong. */
export interface BalancerCheck {
  readonly name: string;
  run(): Promise<void>;
}

/** What a balancer promises beyond what all balancers do. The defaults are the strictest. */
export interface BalancerCheckOptions {
  /**
   * How close its shares are to the weights. `smooth` (default): within one request over each round, without bursts. A
   * number from 0 to 1, for random ones: within this part of its share over 20,000 requests, plus the noise of chance.
   * `none`: it decides by something else, such as requests in flight, latency or the client.
   */
  readonly distribution?: 'smooth' | 'none' | number;
  /** Whether it respects weights. Default true; if false, the shares must be equal. */
  readonly weights?: boolean;
  /**
   * Whether it promises a client the same upstream, as a ring of hashes does. Default false; if true, a client keeps its
   * upstream between requests and workers, and few clients move when another upstream leaves. Combine it with
   * `distribution: 'none'`.
   */
  readonly sticky?: boolean;
}

/** What is checked. */
export interface Subject {
  readonly balancer: Plugin;
  readonly options: BalancerCheckOptions;
}

/** A check before its subject is known. */
export interface CheckDefinition {
  readonly name: string;
  /** Returns whether it applies to a balancer with these options. Default: to all. */
  readonly appliesTo?: (options: BalancerCheckOptions) => boolean;
  readonly run: (subject: Subject) => Promise<void>;
}
