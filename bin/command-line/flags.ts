// Flags: every flag of the command line with its help, and how the given ones are read.
import { nearest } from '../../core/errors/nearest.ts';
import { defaultAdminUrl } from '../admin-client.ts';
import { usageError } from '../command-error.ts';

/** One flag. */
export interface Flag {
  /** The name of its value in the help; undefined for a switch. */
  readonly value?: string;
  /** Its one-letter form. */
  readonly short?: string;
  readonly text: string;
}

const flags = {
  config: {
    value: 'FILE',
    text: 'The config; default: weldr.config.ts, .mts, .js, .mjs, .json, .yaml or .yml in this folder',
  },
  ip: {
    value: 'HOST:PORT',
    text: 'Where clients connect, such as 0.0.0.0:8080 or unix:/run/weldr/http.sock; separate several with commas',
  },
  'admin-ip': { value: 'HOST:PORT', text: 'Where the admin API listens, such as 127.0.0.1:8687' },
  workers: { value: 'N', text: 'Processes that proxy; auto: one per core; 0: none, this process proxies' },
  servers: { value: 'URLS', text: 'The servers, such as http://10.0.0.7:3000; separate several with commas' },
  https: {
    value: 'HOW',
    text: "no; domains and an email address for Let's Encrypt: shop.example,ops@shop.example; or files: CERT.pem,KEY.pem",
  },
  'admin-url': { value: 'URL', text: `The admin API of the running Weldr; default ${defaultAdminUrl}` },
  'admin-ca': {
    value: 'FILE',
    text: 'The authority that signed the certificate of an https:// admin API; default: those Node trusts',
  },
  'admin-cert': { value: 'FILE', text: 'The client certificate for the admin API, PEM' },
  'admin-key': { value: 'FILE', text: 'The key of the client certificate, PEM' },
  json: { text: 'Print JSON, for scripts' },
  pool: { value: 'NAME', text: 'The pool; default: the one named default' },
  route: { value: 'NAME', text: 'Only requests that this route took' },
  server: {
    value: 'SERVER',
    text: 'Only requests that were sent to this server, such as http://10.0.0.7:3000 or 10.0.0.7:3000',
  },
  weight: { value: 'N', text: 'Share of the requests relative to the other servers, from 1' },
  backup: { text: 'Gets requests only while no other server of its pool is active' },
  'max-connections': { value: 'N', text: 'The most connections to it at once; over HTTP/2, requests' },
  zone: { value: 'NAME', text: 'Where it is: Weldrs of this zone prefer it' },
  http2: { text: 'Speak HTTP/2 with it, without TLS too' },
  host: {
    value: 'HOST',
    text: 'The Host that servers get: client (the one from the client, the default), upstream (their own name) or a name',
  },
  path: { value: 'PATH', text: 'Paths, such as "/api/*"; separate several with commas' },
  'client-ip': { value: 'IP', text: 'The address of the client; default 127.0.0.1' },
  listener: { value: 'NAME', text: 'The listener that receives it; default: one for its scheme' },
  answer: {
    value: 'WORD',
    text: 'What servers answer: a status, or an error such as CONNECT_FAILED; default 200',
  },
  status: { value: 'STATUS', text: 'Only requests with this status, such as 503 or 5xx' },
  count: { value: 'N', text: 'The number of requests, up to 100; default 5' },
  duration: { value: 'TIME', text: 'How long to wait, up to 10m; default 60s' },
  method: { value: 'METHOD', text: 'Methods; separate several with commas' },
  split: { value: 'WEIGHTS', text: 'Shares of pools, such as blue=95,green=5' },
  redirect: { value: 'URL', text: 'Where clients are redirected, such as "https://shop.example/$1"' },
  'strip-prefix': { value: 'PREFIX', text: 'Removed from the path, such as /api' },
  rewrite: { value: 'PATH', text: 'The path that the server gets, such as "/v2/$1"' },
  priority: { value: 'N', text: 'Routes with a higher one come first; default 0' },
  value: { value: 'JSON', text: 'The whole route, in place of other flags' },
  header: { value: 'LINE', short: 'H', text: 'A header field, such as "X-Beta: 1". Can be repeated' },
  'proxy-protocol': { value: 'VERSION', text: 'Send it the client address in a PROXY header: v1 or v2' },
  ttl: { value: 'TIME', text: 'Remove it unless it is added again within this time, such as 30s' },
  force: { text: 'Do not wait for its requests' },
  wait: { text: 'Return once the requests in flight are finished' },
  field: { value: 'NAME', text: 'Only this field; separate several with commas' },
  watch: { text: 'Reload when the config, or a module that it imports by path, changes' },
  sort: { value: 'WORD', text: 'With --watch: servers by rate, failed, inflight, latency or id' },
  interval: { value: 'SECONDS', text: 'With --watch: time between updates; default 1' },
  to: { value: 'NODE', text: 'The node to lead next; default: the best candidate' },
  fallback: { value: 'NAME', text: 'The pool used when none of the servers of this one is available' },
  plugins: {
    value: 'NAMES',
    text: "Its plugins, in order: names from the config's define, separated by commas",
  },
  'check-path': { value: 'PATH', text: 'The path that health checks request, such as /up' },
  set: {
    value: 'FIELD=VALUE',
    text: 'Any other setting of a pool, such as timeouts.response=5s or plugins=[]; without a value: back to the default. Can be repeated',
  },
  file: { value: 'FILE', short: 'f', text: 'Servers, pools and routes, YAML or JSON; - is stdin' },
  follow: { text: 'Keep printing new events until interrupted' },
  type: {
    value: 'NAME',
    text: 'Only this type or group, such as server or worker.died; separate several with commas',
  },
  limit: { value: 'N', text: 'How many past events, up to 1000; default 100, with --follow 10' },
  'dry-run': { text: 'Change nothing' },
  prune: { text: 'Remove servers, pools and routes that the file does not name' },
  secrets: { text: 'Include TLS keys, and the certificates they belong to' },
  cert: { value: 'FILE', text: 'The certificate followed by its chain, PEM' },
  key: { value: 'FILE', text: 'The key of the certificate, PEM' },
  'passphrase-file': { value: 'FILE', text: 'The passphrase of an encrypted key' },
  output: { value: 'FILE', text: 'Write to this file instead of stdout' },
  weldrs: {
    value: 'NAMES',
    text: 'The machines that run Weldr, separated by commas; default: all but the last',
  },
  address: { value: 'ADDRESS', text: 'The address that clients use, such as 10.0.0.100/24' },
  interface: { value: 'NAME', text: 'The interface for that address, such as eth0' },
} as const satisfies Record<string, Flag>;

/** The name of a flag, without its dashes. */
export type FlagName = keyof typeof flags;

/** The flags that stand for settings of the config. */
export const settingFlags = ['config', 'ip', 'admin-ip', 'workers'] as const;
/** The flags that say where the admin API is. */
export const reachFlags = ['admin-url', 'admin-ca', 'admin-cert', 'admin-key'] as const;
/** The flags of commands that talk to the admin API and can print its JSON. */
export const adminFlags = [...reachFlags, 'json'] as const;

/** Returns a flag by its name. */
export function flagOf(name: FlagName): Flag {
  return flags[name];
}

/** The flags of one command line, by name. */
export class GivenFlags {
  private readonly values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.values = values;
  }

  /** Returns the value of a flag; undefined when it is not given. Throws a usage error when it is given twice. */
  text(name: FlagName): string | undefined {
    const values = this.values.get(name);
    if (values !== undefined && values.length > 1) throw usageError(`--${name} is given twice`);
    return values?.[0];
  }

  /** Returns all values of a flag that can be repeated. */
  list(name: FlagName): readonly string[] {
    return this.values.get(name) ?? [];
  }

  /** Whether a switch is given. */
  isOn(name: FlagName): boolean {
    return this.values.has(name);
  }
}

/** Flags of other servers, with Weldr's names for them. */
const familiar: Readonly<Record<string, FlagName>> = {
  '--port': 'ip',
  '-p': 'ip',
  '--listen': 'ip',
  '--bind': 'ip',
  '--host': 'ip',
  '-c': 'config',
  '--url': 'admin-url',
  '--threads': 'workers',
  '-w': 'workers',
};

/** Returns the nearest of a command's flags, as `; did you mean …?`; empty when none is near. */
export function nearestFlag(typed: string, names: readonly FlagName[]): string {
  const other = familiar[typed];
  const near =
    other !== undefined && names.includes(other)
      ? `--${other}`
      : nearest(
          typed,
          names.map(name => `--${name}`),
        );
  return near === undefined ? '' : `; did you mean ${near}?`;
}
