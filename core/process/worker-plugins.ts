// The worker sides of a config's plugins: started in order, closed backwards, each with its channel to the manager.
import type { Logger } from 'pino';
import { systemClock } from '../clock.ts';
import type { RequestHooks } from '../plugin/hooks.ts';
import type { Plugin, WorkerChannel, WorkerSide } from '../plugin/plugin.ts';
import type { Pools } from '../pool/pool.ts';
import { CleanUps } from './clean-ups.ts';
import { startFailure } from './plugin-failure.ts';

/** Messages to a plugin that may wait for its side to listen; the oldest are dropped over it. */
const maxUnheard = 1_000;

/** What worker sides work with. */
export interface WorkerPluginsOptions {
  readonly worker: number;
  readonly hooks: RequestHooks;
  readonly pools: Pools;
  readonly log: Logger;
  /** Sends a message of a plugin to its manager side. */
  send(plugin: string, message: unknown): void;
}

type Listener = (message: unknown) => void;

/** The worker sides of one worker. */
export class WorkerPlugins {
  private readonly options: WorkerPluginsOptions;
  private readonly cleanUps: CleanUps;
  private readonly listeners = new Map<string, Listener[]>();
  private readonly unheard: { plugin: string; message: unknown }[] = [];

  constructor(options: WorkerPluginsOptions) {
    this.options = options;
    this.cleanUps = new CleanUps(systemClock, (plugin, error) =>
      options.log.error({ plugin, err: error }, 'the clean-up of a plugin failed'),
    );
  }

  /** Starts them in order. Rejects with the first failure, after the clean-ups of those that had started. */
  async start(plugins: readonly Plugin[]): Promise<void> {
    for (const plugin of plugins) {
      try {
        await plugin.worker?.(this.side(plugin.name));
      } catch (thrown) {
        await this.close();
        throw startFailure(plugin.name, thrown);
      }
    }
  }

  /** Runs the clean-ups, last in first out. */
  async close(): Promise<void> {
    await this.cleanUps.run();
  }

  /** Hands a message of the manager to the plugin that it is for. */
  receive(plugin: string, message: unknown): void {
    const listeners = this.listeners.get(plugin);
    if (listeners === undefined) {
      this.unheard.push({ plugin, message });
      if (this.unheard.length > maxUnheard) this.unheard.shift();
      return;
    }
    for (const listener of listeners) this.deliver(plugin, listener, message);
  }

  private side(plugin: string): WorkerSide {
    const { worker, hooks, pools, log } = this.options;
    return {
      id: worker,
      hooks,
      pools,
      log: log.child({ plugin }),
      clock: systemClock,
      onClose: fn => this.cleanUps.add(plugin, fn),
      channel: <ToManager, ToWorker>(): WorkerChannel<ToManager, ToWorker> => ({
        send: message => this.options.send(plugin, message),
        onMessage: listener => this.listen(plugin, listener as Listener),
      }),
    };
  }

  private listen(plugin: string, listener: Listener): void {
    const known = this.listeners.get(plugin);
    if (known === undefined) this.listeners.set(plugin, [listener]);
    else known.push(listener);
    for (let i = 0; i < this.unheard.length; ) {
      const waiting = this.unheard[i];
      if (waiting?.plugin !== plugin) i++;
      else {
        this.unheard.splice(i, 1);
        this.deliver(plugin, listener, waiting.message);
      }
    }
  }

  private deliver(plugin: string, listener: Listener, message: unknown): void {
    try {
      listener(message);
    } catch (thrown) {
      this.options.log.error({ plugin, err: thrown }, 'a plugin failed on a message of its manager side');
    }
  }
}
