// Stopwatch: how long the taps of plugins take, measured for one in many requests. The others go through stages without it.
import type { ProxyContext } from '../request/context.ts';

/** How often taps are measured, and where the results go. */
export interface Stopwatch {
  /** One in this many requests is measured. */
  readonly every: number;
  /** A tap of this plugin in this stage has taken `ms`, waits included. */
  took(plugin: string, stage: string, ms: number): void;
}

/** The function that a hook calls. */
export type Tap = (ctx: ProxyContext, ...rest: unknown[]) => unknown;

/** Returns a tap that is measured; `type` is tapable's. */
export function timed(fn: Tap, type: string, took: (ms: number) => void): Tap {
  if (type === 'promise') {
    return async (ctx, second) => {
      const begun = performance.now();
      try {
        return await fn(ctx, second);
      } finally {
        took(performance.now() - begun);
      }
    };
  }
  if (type === 'async') {
    return (ctx, done) => {
      const begun = performance.now();
      return fn(ctx, (...answer: unknown[]) => {
        took(performance.now() - begun);
        if (typeof done === 'function') done(...answer);
      });
    };
  }
  return (ctx, second) => {
    const begun = performance.now();
    try {
      return fn(ctx, second);
    } finally {
      took(performance.now() - begun);
    }
  };
}
