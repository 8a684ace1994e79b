// The manager: owns pools, config, listening sockets and workers; starts, reloads, hands over and stops all of it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ManagerStatus } from '../plugin/plugin.ts';
import { reloadConfig } from './config-reload.ts';
import { Lifecycle } from './lifecycle.ts';
import type { ManagerOptions } from './manager-options.ts';
import { ManagerParts } from './manager-parts.ts';
import { shutDown } from './shutdown.ts';
import { startUp } from './startup.ts';
import { beginUpgrade, leave } from './upgrade.ts';

/** How long a manager that cuts everything waits for its plugins, ms. */
const cutTimeout = 1_000;

/** One Weldr: `start`, any number of `reload`s, `stop`. */
export class Manager {
  private readonly lifecycle = new Lifecycle();
  private readonly parts: ManagerParts;

  constructor(options: ManagerOptions) {
    this.parts = new ManagerParts(options, this.lifecycle, this);
  }

  /** Facts about it, kept up to date. */
  get status(): ManagerStatus {
    return this.parts.status;
  }

  /** Throws before `start` has opened it. */
  get log(): Logger {
    return this.parts.processLog.log;
  }

  /**
   * Reads the config, starts plugins and workers; resolves when all workers accept connections. Rejects with
   * CONFIG_INVALID, LISTEN_FAILED or PLUGIN_FAILED, once everything that had started has ended.
   */
  async start(): Promise<void> {
    await this.lifecycle.start(() => startUp(this.parts));
  }

  /**
   * Reads the config again and replaces plugins and workers. Resolves when the new workers accept connections and the
   * old ones no longer do; the old ones may still be finishing their requests. Rejects with what is wrong with the new
   * config, and then the old one stays active. During a start or a reload one reload waits; everyone who asks meanwhile
   * gets its outcome. `by`: who or what asks for it.
   */
  async reload(by = 'a signal'): Promise<void> {
    await this.lifecycle.reload(() => reloadConfig(this.parts, by));
  }

  /**
   * Starts a process of whatever version is installed now to replace this one, which ends when its requests
   * are finished. Resolves with the new version once it serves. Rejects with CONFLICT or UPGRADE_FAILED, and then
   * nothing has changed.
   */
  async upgrade(): Promise<string> {
    return await this.lifecycle.upgrade(
      () => beginUpgrade(this.parts),
      () => leave(this.parts),
    );
  }

  /** Stops: hooks, workers (bounded by the config's drainTimeout), plugins. Resolves when nothing is left. */
  async stop(): Promise<void> {
    await this.lifecycle.stop(() => shutDown(this.parts));
  }

  /** Stops without waiting for requests, and waits a second at most for the plugins' clean-ups. */
  async cut(): Promise<void> {
    this.lifecycle.cut();
    void this.parts.groups.killAll();
    await Promise.race([this.stop(), sleep(cutTimeout)]);
  }

  /** Reopens the log file, if there is one, and has plugins reopen theirs. */
  reopenLog(): void {
    this.parts.processLog.reopen();
    this.parts.plugins?.hooks.reopenFiles.call();
  }
}
