// The config of `npm start`: weldr.config.ts with an https listener.
import { defineConfig } from 'weldr';
import example from './weldr.config.ts';

const { DEMO_HTTP = '0.0.0.0:8080', DEMO_HTTPS = '0.0.0.0:8443' } = process.env;

export default defineConfig({
  ...example,
  listen: [
    DEMO_HTTP,
    // bin/demo.ts sets DEMO_CERT and DEMO_KEY.
    {
      name: 'https',
      address: DEMO_HTTPS,
      tls: { certificates: [{ cert: 'env:DEMO_CERT', key: 'env:DEMO_KEY' }] },
    },
  ],
});
