// The package `weldr`: what a config and the authors of plugins import.
export type { AdminAnswer, AdminRequest, AdminRoute, AdminRoutes } from '../core/admin.ts';
export type { CancelTimer, Clock } from '../core/clock.ts';
export {
  type ContextSlot,
  contextSlot,
  type Outcome,
  type ProxyContext,
  type Reply,
  reply,
  retry,
} from '../core/context.ts';
export { duration, parseDuration, parseSize, size } from '../core/duration.ts';
export { type Blame, type ErrorCode, errorTable, type Retry, WeldrError } from '../core/errors.ts';
export type { HeaderList } from '../core/headers.ts';
export type { Leadership, ManagerHooks, RequestHooks } from '../core/hooks.ts';
export type { ManagedPools, ManagedPoolsObserver } from '../core/managed-pools.ts';
export { parse } from '../core/options.ts';
export {
  definePlugin,
  type ManagerChannel,
  type ManagerSide,
  type ManagerStatus,
  type Plugin,
  type WorkerChannel,
  type WorkerSide,
} from '../core/plugin.ts';
export type {
  Layer,
  Pool,
  PoolChange,
  PoolObserver,
  Pools,
  Upstream,
  UpstreamRecord,
  UpstreamState,
  UpstreamTls,
} from '../core/pool.ts';
export type { HealthReport, PoolEntry } from '../core/pool-entry.ts';
export type { HealthCheckSettings, ServerDefinition, ServerInput } from '../core/server-definition.ts';
export type { Overrides, Settings, SettingsInput } from '../core/settings.ts';
export type { PoolStore, StoreChange, StoredEntry, StoredPools, StoredSetting } from '../core/store.ts';
export { defineConfig, type WeldrConfig } from './config.ts';
export { type RunningWeldr, startWeldr } from './embedded.ts';
