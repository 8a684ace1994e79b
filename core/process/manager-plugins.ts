// The manager sides of a config's plugins: started in order, closed backwards, with hooks and admin routes of their
// own, so that a reload swaps all of it at once.
import type { Logger } from 'pino';
import { systemClock } from '../clock.ts';
import { AdminRoutes } from '../plugin/admin.ts';
import { createManagerHooks, type ManagerHooks } from '../plugin/hooks.ts';
import type { ManagerChannel, ManagerSide, ManagerStatus, Plugin } from '../plugin/plugin.ts';
import type { ManagedPools } from '../pool/managed-pools.ts';
import { PluginPools } from '../pool/manager-pools.ts';
import { OperatorPools } from '../pool/operator-pools.ts';
import type { Overrides } from '../settings/settings.ts';
import { CleanUps } from './clean-ups.ts';
import { startFailure } from './plugin-failure.ts';

/** What manager sides work with. */
export interface ManagerPluginsOptions {
  readonly pools: ManagedPools;
  readonly log: Logger;
  readonly status: ManagerStatus;
  readonly overrides: Overrides;
  /** What plugins keep over reloads, by their names. */
  readonly memory: Map<string, Map<string, unknown>>;
  reload(): Promise<void>;
  /** The workers that can be sent to. */
  workers(): readonly number[];
  send(worker: number, plugin: string, message: unknown): void;
}

type Listener = (message: unknown, worker: number) => void;

/** The manager sides of one config. */
export class ManagerPlugins {
  readonly hooks: ManagerHooks;
  readonly admin = new AdminRoutes();
  private readonly options: ManagerPluginsOptions;
  private readonly cleanUps: CleanUps;
  private readonly listeners = new Map<string, Listener[]>();

  constructor(options: ManagerPluginsOptions) {
    const { log } = options;
    this.options = options;
    this.hooks = createManagerHooks(error => log.error({ err: error }, error.message));
    this.cleanUps = new CleanUps(systemClock, (plugin, error) =>
      log.error({ plugin, err: error }, 'the clean-up of a plugin failed'),
    );
  }

  /** Starts them in order. Rejects with the first failure, after the clean-ups of those that had started. */
  async start(plugins: readonly Plugin[]): Promise<void> {
    for (const plugin of plugins) {
      try {
        await plugin.manager?.(this.side(plugin.name));
      } catch (thrown) {
        await this.close();
        throw startFailure(plugin.name, thrown);
      }
    }
  }

  /** Runs the clean-ups, last in first out. */
  async close(): Promise<void> {
    await this.cleanUps.run();
    this.options.pools.releaseStore();
  }

  /** Hands a message of a worker to the plugin that it is for. */
  receive(plugin: string, message: unknown, worker: number): void {
    for (const listener of this.listeners.get(plugin) ?? []) {
      try {
        listener(message, worker);
      } catch (thrown) {
        this.options.log.error({ plugin, err: thrown }, 'a plugin failed on a message of a worker');
      }
    }
  }

  private side(plugin: string): ManagerSide {
    const { log, status, overrides } = this.options;
    const pools = new PluginPools({
      pools: this.options.pools,
      instance: plugin,
      report: error => log.error({ err: error }, error.message),
    });
    // The first to be added is the last to run: what the plugin says while it ends still counts.
    this.cleanUps.add(plugin, () => pools.close());
    return {
      hooks: this.hooks,
      pools,
      operator: new OperatorPools(this.options.pools),
      admin: this.admin,
      status,
      overrides,
      memory: this.memoryOf(plugin),
      log: log.child({ plugin }),
      clock: systemClock,
      onClose: fn => this.cleanUps.add(plugin, fn),
      reload: () => this.options.reload(),
      channel: <ToManager, ToWorker>() => this.channel<ToManager, ToWorker>(plugin),
    };
  }

  private channel<ToManager, ToWorker>(plugin: string): ManagerChannel<ToManager, ToWorker> {
    const { options, listeners } = this;
    return {
      get workers() {
        return options.workers();
      },
      send: (worker, message) => options.send(worker, plugin, message),
      broadcast: message => {
        for (const worker of options.workers()) options.send(worker, plugin, message);
      },
      onMessage: listener => {
        const known = listeners.get(plugin) ?? [];
        known.push(listener as Listener);
        listeners.set(plugin, known);
      },
    };
  }

  private memoryOf(plugin: string): Map<string, unknown> {
    const known = this.options.memory.get(plugin);
    if (known !== undefined) return known;
    const memory = new Map<string, unknown>();
    this.options.memory.set(plugin, memory);
    return memory;
  }
}
