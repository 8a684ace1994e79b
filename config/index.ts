// The package `weldr`: what a config and the authors of plugins import.

export type { CancelTimer, Clock } from '../core/clock.ts';
export { type Blame, type ErrorCode, errorTable, type Retry, WeldrError } from '../core/errors.ts';
export type { AdminAnswer, AdminRequest, AdminRoute, AdminRoutes } from '../core/plugin/admin.ts';
export type { Leadership, ManagerHooks, RequestHooks } from '../core/plugin/hooks.ts';
export {
  definePlugin,
  type ManagerChannel,
  type ManagerSide,
  type ManagerStatus,
  type Plugin,
  type WorkerChannel,
  type WorkerSide,
} from '../core/plugin/plugin.ts';
export type { DiscoverySource, SourceChange } from '../core/pool/discovery-source.ts';
export type { ManagerPools, PoolCounts, PoolsObserver } from '../core/pool/manager-pools.ts';
export type { OperatorPools } from '../core/pool/operator-pools.ts';
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
} from '../core/pool/pool.ts';
export type { HealthReport, PoolEntry } from '../core/pool/pool-entry.ts';
export type { HealthCheckSettings, ServerDefinition, ServerInput } from '../core/pool/server-definition.ts';
export type { PoolStore, StoreChange, StoredEntry, StoredPools, StoredSetting } from '../core/pool/store.ts';
export {
  type ContextSlot,
  contextSlot,
  type Outcome,
  type ProxyContext,
  type Reply,
  reply,
  retry,
} from '../core/request/context.ts';
export type { HeaderList } from '../core/request/headers.ts';
export { duration, parseDuration, parseSize, size } from '../core/settings/duration.ts';
export { parse } from '../core/settings/options.ts';
export type { Overrides, Settings, SettingsInput } from '../core/settings/settings.ts';
export { defineConfig, type WeldrConfig } from './config.ts';
export { type RunningWeldr, startWeldr } from './embedded.ts';
