// All studies, in the order in which they run.
import { comparison } from './comparison.ts';
import { idleConnections, idleTlsConnections } from './idle-connections.ts';
import { latency } from './latency.ts';
import { manyRoutes } from './many-routes.ts';
import { micro } from './micro-study.ts';
import { poolChanges } from './pool-changes.ts';
import { scenarios } from './scenarios.ts';
import { sight } from './sight.ts';
import { startTime } from './start-time.ts';
import type { Study } from './study.ts';
import { workers } from './workers.ts';

export const studies: readonly Study[] = [
  ...scenarios.map(comparison),
  latency,
  idleConnections,
  idleTlsConnections,
  workers,
  sight,
  poolChanges,
  startTime,
  manyRoutes,
  micro,
];
