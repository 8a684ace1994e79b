// A plugin that consists of its taps.
import { definePlugin, type Plugin, type RequestHooks } from '../../config/index.ts';

/** Returns a plugin whose worker side only calls `worker`. */
export function tapping(name: string, worker: (hooks: RequestHooks) => void): Plugin {
  return definePlugin({ name, worker: ({ hooks }) => worker(hooks) })();
}
