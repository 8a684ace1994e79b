// The config of `npm start`: this folder's weldr.config.ts, and https beside it.
import { defineConfig } from 'weldr';
import example from './weldr.config.ts';

const { DEMO_HTTP = '0.0.0.0:8080', DEMO_HTTPS = '0.0.0.0:8443' } = process.env;

export default defineConfig({
  ...example,
  listen: [
    DEMO_HTTP,
    // bin/demo.ts has made them.
    {
      name: 'https',
      address: DEMO_HTTPS,
      tls: { certificates: [{ cert: 'env:DEMO_CERT', key: 'env:DEMO_KEY' }] },
    },
  ],
});
