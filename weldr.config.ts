// What `npm start` runs, and an example to copy. Every option has a default; README and plugins/*/README.md list them.
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
  // To servers: connection, response head, silence within a body.
  timeouts: { connect: '5s', response: '60s', body: '60s' },
  plugins: [
    // Takes out a server whose requests fail, until a few of them succeed again.
    passiveHealth(),
    roundRobin(),
    // Another server is tried where nothing can have been done twice.
    retry(),
    healthCheck({ interval: '30s', timeout: '5s', path: '/', failures: 3, passes: 2 }),
    stats(),
    // For Prometheus: http://127.0.0.1:8687/metrics
    metrics(),
    // Keeps what the admin API changed, over restarts.
    poolFile({ path: 'weldr-pool.json' }),
    adminApi({ listen: '127.0.0.1:8687' }),
    // A page for browsers: http://127.0.0.1:8687
    dashboard(),
  ],
});
