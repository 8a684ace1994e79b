// The package `weldr`: what a config and the authors of plugins import.

export type { CertificateInfo, CertificateObserver } from '../core/certificates/certificate-registry.ts';
export type { CertificatePair, ManagerCertificates } from '../core/certificates/manager-certificates.ts';
export { defineConfig, type WeldrConfig } from '../core/config/config.ts';
export { type Blame, type ErrorCode, errorTable, type Retry, WeldrError } from '../core/errors.ts';
export type { NewEvent, Severity, Subject, WeldrEvent } from '../core/events/event.ts';
export type { EventListener, EventsAfter } from '../core/events/event-log.ts';
export type { ManagerEvents } from '../core/events/plugin-events.ts';
export type { NewProblem, Problem } from '../core/events/problems.ts';
export type { SupposedAnswer } from '../core/explain/explain.ts';
export type { ExplainInput } from '../core/explain/explain-input.ts';
export type {
  Edit,
  ExplainedResponse,
  ExplainedSending,
  ExplainedServer,
  Explanation,
  Step,
} from '../core/explain/explanation.ts';
export { duration, parseDuration, parseSize, size } from '../core/options/duration.ts';
export { parse } from '../core/options/options.ts';
export { secret } from '../core/options/secret.ts';
export type {
  AdminAnswer,
  AdminRequest,
  AdminRoute,
  AdminRoutes,
  EventStream,
  StreamMessage,
  StreamSender,
  StreamWish,
} from '../core/plugin/admin.ts';
export {
  type ChannelType,
  channel,
  definePlugin,
  type PluginDefinition,
  type PluginFactory,
  withId,
} from '../core/plugin/define-plugin.ts';
export type {
  Leadership,
  LeadershipNeed,
  ManagerHooks,
  Surrender,
  SurrenderRequest,
} from '../core/plugin/manager-hooks.ts';
export type { MetricFamily } from '../core/plugin/metric-family.ts';
export type { Counter, Gauge, Histogram, Labelled, Metrics } from '../core/plugin/metrics.ts';
export {
  type ChildPlugins,
  contractVersion,
  type ManagerChannel,
  type ManagerSide,
  type ManagerStatus,
  type Plugin,
  type WorkerChannel,
  type WorkerSide,
} from '../core/plugin/plugin.ts';
export type { Entities, KindFacts, KindItem, PlainItem, PluginKind } from '../core/plugin/plugin-kind.ts';
export type { Finished, Traffic, TrafficCounts, TrafficSource } from '../core/plugin/traffic.ts';
export { type WhenMatcher, when } from '../core/plugin/when.ts';
export type { DiscoverySource, SourceChange, SourceSummary } from '../core/pool/discovery-source.ts';
export type { ManagerPools, PoolCounts } from '../core/pool/manager-pools.ts';
export type { OperatorPools } from '../core/pool/operator-pools.ts';
export type {
  Layer,
  Pool,
  PoolObserver,
  Upstream,
  UpstreamRecord,
  UpstreamState,
  UpstreamTls,
} from '../core/pool/pool.ts';
export type { PoolChange } from '../core/pool/pool-change.ts';
export type { HealthReport, PoolEntry } from '../core/pool/pool-entry.ts';
export type { Pools } from '../core/pool/pools.ts';
export type { JoiningServer, PoolsObserver } from '../core/pool/pools-observer.ts';
export type { HealthCheckSettings, ServerDefinition, ServerInput } from '../core/pool/server-definition.ts';
export { type GuardOptions, guardOptions } from '../core/pool/source-guard.ts';
export type { Attempt } from '../core/request/attempt.ts';
export type { BodyTransform } from '../core/request/body-transform.ts';
export { compileMatcher } from '../core/request/compiled-matcher.ts';
export type { ProxyContext } from '../core/request/context.ts';
export { type ContextSlot, contextSlot } from '../core/request/context-slot.ts';
export type { HeaderList } from '../core/request/headers.ts';
export { describeMatcher, type MatcherOptions, type MatchFacts } from '../core/request/matcher.ts';
export type { OutgoingRequest } from '../core/request/outgoing-request.ts';
export type { ReceivedRequest } from '../core/request/received-request.ts';
export { type Reply, reply } from '../core/request/reply.ts';
export { RequestFacts } from '../core/request/request-facts.ts';
export type { Outcome, ResponseSource } from '../core/request/request-state.ts';
export type { RequestTimeouts } from '../core/request/request-timeouts.ts';
export type { Response } from '../core/request/response.ts';
export { type Retry as RetryRequest, retry } from '../core/request/retry.ts';
export type { Route } from '../core/request/route.ts';
export type { RouteFacts } from '../core/request/route-facts.ts';
export type { TraceContext } from '../core/request/trace-context.ts';
export type { Overrides, Settings, SettingsInput } from '../core/settings/settings.ts';
export type { ConnectionInfo } from '../core/stages/connection-info.ts';
export type { RequestHooks } from '../core/stages/request-hooks.ts';
export type { Condition, Role, Scope } from '../core/stages/scope.ts';
export type { Base, Entity, Override } from '../core/state/entity.ts';
export type { Written } from '../core/state/resolved-writes.ts';
export type { Batch, Mark, Row, RowChange } from '../core/state/row.ts';
export type { Setting, SettingDeclaration } from '../core/state/settings.ts';
export type { StateStore } from '../core/state/store.ts';
export type { Write } from '../core/state/write.ts';
export type { CancelTimer, Clock } from '../core/time/clock.ts';
export { type RunningWeldr, startWeldr } from './embedded.ts';
