// An example to copy, which `npm start` runs too. Every option has a default; README and plugins/*/README.md list them.
import { defineConfig } from 'weldr';
import {
  adminApi,
  dashboard,
  healthCheck,
  metrics,
  passiveHealth,
  poolFile,
  retry,
  roundRobin,
  stats,
} from 'weldr/plugins';

export default defineConfig({
  // Where clients connect to.
  listen: '0.0.0.0:8080',
  // Processes that proxy; 'auto': one for each core.
  workers: 'auto',
  // Servers that are always there, such as 'http://10.0.0.7:3000' or { url: 'https://10.0.0.8', weight: 2 }.
  // Others come and go at run time: curl localhost:8687/servers -d '{"url":"http://127.0.0.1:12345"}'
  servers: [],
  // Towards servers: until connected, until the response head, and the longest pause within a body.
  timeouts: { connect: '5s', response: '60s', body: '60s' },
  plugins: [
    // Ejects a server for a while when requests to it fail.
    passiveHealth(),
    roundRobin(),
    // Tries another server when that cannot make anything happen twice.
    retry(),
    healthCheck({ interval: '30s', timeout: '5s', path: '/', failures: 3, passes: 2 }),
    stats(),
    // For Prometheus: http://127.0.0.1:8687/metrics
    metrics(),
    // Keeps changes made at run time across restarts.
    poolFile({ path: 'weldr-pool.json' }),
    adminApi({ listen: '127.0.0.1:8687' }),
    // In a browser: http://127.0.0.1:8687
    dashboard(),
  ],
});
