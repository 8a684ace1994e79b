// The built-in plugins, as `weldr/plugins` exports them.

export { type AdminApiOptions, adminApi } from './admin-api/index.ts';
export { type EtcdOptions, etcd } from './etcd/index.ts';
export { type FloatingIpOptions, floatingIp } from './floating-ip/index.ts';
export { type HealthCheckOptions, healthCheck } from './health-check/index.ts';
export { type PoolFileOptions, poolFile } from './pool-file/index.ts';
export { type RoundRobinOptions, roundRobin } from './round-robin/index.ts';
export { type StatsOptions, stats } from './stats/index.ts';
