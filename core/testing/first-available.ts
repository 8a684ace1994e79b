// The simplest balancer, for tests of plugins that choose no upstream.
import type { Plugin } from '../plugin/plugin.ts';

/** Chooses the first available upstream that was not tried. Tests use it when no plugin chooses. */
export const firstAvailable: Plugin = {
  name: 'first-available',
  worker({ hooks }) {
    hooks.selectUpstream.tap('first-available', ctx => {
      const { available } = ctx.pool;
      return available.find(upstream => !ctx.tried.includes(upstream)) ?? available[0];
    });
  },
};
