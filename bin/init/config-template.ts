// The config of a new project.
import { type Answers, type Https, portOf } from './answers.ts';

/** Returns the text of its `weldr.config.ts`. */
export function configText(answers: Answers): string {
  const { servers, https } = answers;
  const redirect = redirectOf(answers);
  const names = [
    ...(https.by === 'acme' ? ['acme'] : []),
    'adminApi',
    'dashboard',
    'healthCheck',
    ...(redirect === undefined ? [] : ['httpsRedirect']),
    'passiveHealth',
    'poolFile',
    'retry',
    'roundRobin',
    'stats',
  ];
  return `// The config of Weldr. \`npm run check\` checks it, \`npx weldr reload\` reloads it in a running Weldr.
import { defineConfig } from ${text('weldr')};
import {
${names.map(name => `  ${name},`).join('\n')}
} from ${text('weldr/plugins')};
import { hideDotfiles } from ${text('./plugins/hide-dotfiles.ts')};

export default defineConfig({
  // Where clients connect; WELDR_LISTEN or --ip overrides it.
  listen: ${listenText(answers)},
  // Processes that proxy; 'auto': one per core.
  workers: 'auto',
  // Servers that are always in the pool. An entry may be an object: { url: 'http://10.0.0.7:3000', weight: 2 }.
  // Others join at run time: npx weldr servers add http://10.0.0.8:3000
  servers: [
${servers.map(url => `    ${text(url)},`).join('\n')}
  ],
  // Towards servers: the time to connect, the time until the response begins, and the longest pause within a body.
  timeouts: { connect: '5s', response: '60s', body: '60s' },
  // Requests pass through them in this order.
  plugins: [${httpsPlugins(https, redirect)}
    // Your own first plugin: plugins/hide-dotfiles.ts.
    hideDotfiles(),
    // Ejects a server while requests to it fail.
    passiveHealth(),
    // Chooses the server; alternatives are leastRequests(), random() and others.
    roundRobin(),
    // Tries another server if that is safe.
    retry(),
    // Requests this path of each server; only 2xx passes. Choose a cheap path that shows that the server works.
    healthCheck({ path: '/', interval: '10s', timeout: '5s', failures: 3, passes: 2 }),
    stats(),
    // Keeps changes made at run time across restarts.
    poolFile({ path: 'data/weldr-pool.json'${https.by === 'acme' ? ", keyFile: 'data/seal.key'" : ''} }),
    // The API for \`npx weldr …\`. To listen beyond this machine it needs a token: WELDR_ADMIN_TOKEN.
    adminApi({ listen: '127.0.0.1:8687' }),
    // http://127.0.0.1:8687 in a browser.
    dashboard(),
  ],
});
`;
}

/** Returns the `https://` port that clients on port 80 are redirected to; undefined: no listener without TLS. */
function redirectOf({ https, listen }: Answers): number | undefined {
  if (https.by === 'none') return undefined;
  const port = portOf(listen);
  return https.by === 'acme' || port === 443 ? (port ?? 443) : undefined;
}

function listenText(answers: Answers): string {
  const { https, listen } = answers;
  if (https.by === 'none') return text(listen);
  const tls =
    https.by === 'acme' ? '{}' : `{ certificates: [{ cert: ${text(https.cert)}, key: ${text(https.key)} }] }`;
  const entries = [
    ...(redirectOf(answers) === undefined ? [] : [text('0.0.0.0:80')]),
    `{ address: ${text(listen)}, tls: ${tls} }`,
  ];
  return `[\n${entries.map(entry => `    ${entry},`).join('\n')}\n  ]`;
}

function httpsPlugins(https: Https, redirect: number | undefined): string {
  const lines: string[] = [];
  if (https.by === 'acme') {
    const domains = https.domains.map(text).join(', ');
    lines.push(
      '    // Gets certificates and renews them; port 80 of these domains has to reach this machine. To try it out, add',
      "    // directory: 'letsencrypt-staging'. By using acme() you agree to the terms of Let's Encrypt.",
      `    acme({ email: ${text(https.email)}, domains: [${domains}] }),`,
    );
  }
  if (redirect !== undefined) {
    lines.push('    // Redirects clients from http:// to https://.');
    lines.push(`    httpsRedirect(${redirect === 443 ? '' : `{ port: ${redirect} }`}),`);
  }
  return lines.map(line => `\n${line}`).join('');
}

/** Quotes a string for a config. */
function text(value: string): string {
  return `'${value.replace(/[\\']/g, '\\$&')}'`;
}
