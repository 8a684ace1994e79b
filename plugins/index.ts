// The built-in plugins, as `weldr/plugins` exports them.
export { type AdminApiOptions, adminApi } from './admin-api/index.ts';
export { type ConsistentHashOptions, consistentHash } from './consistent-hash/index.ts';
export { type EtcdOptions, etcd } from './etcd/index.ts';
export { failOpen } from './fail-open/index.ts';
export { type FloatingIpOptions, floatingIp } from './floating-ip/index.ts';
export { type HealthCheckOptions, healthCheck } from './health-check/index.ts';
export { type HttpsRedirectOptions, httpsRedirect } from './https-redirect/index.ts';
export { type IpFilterOptions, ipFilter } from './ip-filter/index.ts';
export { type LeastRequestsOptions, leastRequests } from './least-requests/index.ts';
export { type PassiveHealthOptions, passiveHealth } from './passive-health/index.ts';
export { type PeakEwmaOptions, peakEwma } from './peak-ewma/index.ts';
export { type PoolFileOptions, poolFile } from './pool-file/index.ts';
export { random } from './random/index.ts';
export { type RateLimitOptions, rateLimit } from './rate-limit/index.ts';
export { type RetryOptions, retry } from './retry/index.ts';
export { type RoundRobinOptions, roundRobin } from './round-robin/index.ts';
export { type StatsOptions, stats } from './stats/index.ts';
export { type StickyCookieOptions, stickyCookie } from './sticky-cookie/index.ts';
