// The command line of `weldr`: its commands and flags, and what is wrong with one that was typed.
import sade from 'sade';
import { nearest } from '../core/errors/nearest.ts';
import { version } from '../core/package/version.ts';
import { exitCodes } from '../core/process/exit-codes.ts';
import { AdminClient, defaultAdminUrl } from './admin-client.ts';
import { usageError } from './command-error.ts';

/** The flags of a command line, by name; a flag without a value is true. */
export type Flags = Readonly<Record<string, unknown>>;

/** One command: what it is called with, and what it does. */
interface Command {
  /** Its words, then `<needed>` and `[optional]` arguments. */
  readonly usage: string;
  readonly text: string;
  readonly flags: readonly (keyof typeof flags)[];
  /** Does its work; answers the exit code. */
  run(args: readonly (string | undefined)[], flags: Flags): Promise<number | undefined>;
}

/** One flag. */
interface Flag {
  /** What stands for its value in the help; none: it is a switch. */
  readonly value?: string;
  /** One letter for it. */
  readonly short?: string;
  readonly text: string;
}

/** Every flag, with its help. Those without a value name are switches. */
const flags = {
  config: {
    value: 'FILE',
    text: 'The config; default: weldr.config.ts, .mts, .js, .mjs, .json or .yaml here',
  },
  ip: {
    value: 'HOST:PORT',
    text: 'Where clients connect to, such as 0.0.0.0:8080 or unix:/run/weldr/http.sock; several with commas',
  },
  'admin-ip': { value: 'HOST:PORT', text: 'Where the admin API listens, such as 127.0.0.1:8687' },
  workers: { value: 'N', text: 'Processes that proxy; auto: one for each core; 0: none of their own' },
  'admin-url': { value: 'URL', text: `The admin API of the running Weldr; default ${defaultAdminUrl}` },
  'admin-ca': {
    value: 'FILE',
    text: 'Who signed the certificate of the admin API, with an https:// URL; default: those whom Node trusts',
  },
  'admin-cert': { value: 'FILE', text: 'The certificate that the admin API is shown, PEM' },
  'admin-key': { value: 'FILE', text: 'Its key, PEM' },
  json: { text: 'Print JSON, for scripts' },
  pool: { value: 'NAME', text: 'The pool; default: default' },
  weight: { value: 'N', text: 'Share of the requests relative to the others, from 1' },
  backup: { text: 'It gets requests only while no other server of its pool is active' },
  'max-connections': { value: 'N', text: 'So many connections, over HTTP/2 requests, to it at once' },
  zone: { value: 'NAME', text: 'Where it is: Weldrs of this zone prefer it' },
  http2: { text: 'HTTP/2 is spoken with it, without TLS too' },
  host: {
    value: 'HOST',
    text: 'Of a server: what Host says, client (default), upstream for its own name, or a name; of a route: what clients ask for',
  },
  path: { value: 'PATH', text: 'Which paths, such as "/api/*"; several with commas' },
  'client-ip': { value: 'IP', text: 'The address that it comes from; default 127.0.0.1' },
  listener: { value: 'NAME', text: 'The listener that it comes by; default: one that speaks its scheme' },
  answer: {
    value: 'WORD',
    text: 'What servers are supposed to answer: a status, or an error such as CONNECT_FAILED; default 200',
  },
  status: { value: 'STATUS', text: 'Only requests that were answered so, such as 503 or 5xx' },
  count: { value: 'N', text: 'So many requests, up to 100; default 5' },
  duration: { value: 'TIME', text: 'For so long, up to 10m; default 60s' },
  method: { value: 'METHOD', text: 'Which methods; several with commas' },
  split: { value: 'WEIGHTS', text: 'Shares of pools, such as blue=95,green=5' },
  redirect: { value: 'URL', text: 'Where clients are sent, such as "https://shop.example/$1"' },
  'strip-prefix': { value: 'PREFIX', text: 'What is taken off the path, such as /api' },
  rewrite: { value: 'PATH', text: 'The path that the server gets, such as "/v2/$1"' },
  priority: { value: 'N', text: 'Routes of a higher one are asked first; default 0' },
  value: { value: 'JSON', text: 'The whole route, in place of other flags' },
  header: { value: 'LINE', short: 'H', text: 'A header field, such as "X-Beta: 1". Can be repeated' },
  'proxy-protocol': { value: 'VERSION', text: 'Tell it of clients by the PROXY protocol: v1 or v2' },
  ttl: { value: 'TIME', text: 'It leaves unless it is added again within this time, such as 30s' },
  force: {
    text: 'A server: do not wait for its requests; a pool: also where routes lead to it, which are answered with 503 then',
  },
  wait: { text: 'Answer when the requests in flight are finished' },
  field: { value: 'NAME', text: 'Only this field, such as weight; several with commas' },
  watch: { text: 'start: reload when the config is changed; stats: a view of what happens now' },
  sort: { value: 'WORD', text: 'With --watch: servers by rate, failed, inflight, latency or id' },
  interval: { value: 'SECONDS', text: 'With --watch: between two looks; default 1' },
  to: { value: 'NODE', text: 'The node that is to lead; default: the best candidate' },
  fallback: { value: 'NAME', text: "The pool that is asked when none of this one's servers can be had" },
  plugins: {
    value: 'NAMES',
    text: "Its plugins: names of the config's define, with commas, in their order",
  },
  'check-path': { value: 'PATH', text: 'What its health checks ask for, such as /up' },
  set: {
    value: 'FIELD=VALUE',
    text: 'Any other setting of a pool, such as timeouts.response=5s or plugins=[]; without a value: as if never said. Can be repeated',
  },
  file: { value: 'FILE', short: 'f', text: 'Servers, pools and routes, YAML or JSON; - is stdin' },
  follow: { text: 'Go on with what happens, until it is ended' },
  type: {
    value: 'NAME',
    text: 'Only this type or group, such as server or worker.died; several with commas',
  },
  limit: { value: 'N', text: 'How many of the last ones' },
  'dry-run': { text: 'Change nothing' },
  prune: { text: 'Remove servers, pools and routes that the file does not name' },
  secrets: { text: 'Include TLS keys, and certificates with theirs' },
  cert: { value: 'FILE', text: 'The certificate as PEM, its chain behind it' },
  key: { value: 'FILE', text: 'Its key as PEM' },
  'passphrase-file': { value: 'FILE', text: 'What an encrypted key is decrypted with' },
  output: {
    value: 'FILE',
    text: 'Write there instead of to stdout; cluster init: the folder, default weldr-cluster',
  },
  weldrs: { value: 'NAMES', text: 'The machines that run Weldr, with commas; default: all but the last' },
  address: { value: 'ADDRESS', text: 'The address that clients use, such as 10.0.0.100/24' },
  interface: { value: 'NAME', text: 'The interface that it is on, such as eth0' },
} as const satisfies Record<string, Flag>;

const settingFlags = ['config', 'ip', 'admin-ip', 'workers'] as const;
const reachFlags = ['admin-url', 'admin-ca', 'admin-cert', 'admin-key'] as const;
const adminFlags = [...reachFlags, 'json'] as const;

const commands: readonly Command[] = [
  {
    usage: 'start',
    text: 'Run Weldr (what `weldr` alone does)',
    flags: [...settingFlags, 'watch'],
    async run(_, given) {
      const { start } = await import('./start.ts');
      await start({ ...startSettings(given), watch: isOn(given, 'watch') });
      return undefined;
    },
  },
  {
    usage: 'check',
    text: 'Read the config and say what is wrong with it',
    flags: settingFlags,
    async run(_, given) {
      const { check } = await import('./start.ts');
      return await check(startSettings(given));
    },
  },
  {
    usage: 'schema',
    text: 'Print the JSON schema of .json and .yaml configs, for editors',
    flags: ['output'],
    async run(_, given) {
      const { printSchema } = await import('./commands/schema.ts');
      return print(await printSchema(textOf(given, 'output')));
    },
  },
  {
    usage: 'servers',
    text: 'List the servers of the running Weldr',
    flags: ['pool', ...adminFlags],
    async run(_, given) {
      const { listServers } = await import('./commands/servers.ts');
      return print(await listServers(adminOf(given), poolOf(given), isOn(given, 'json')));
    },
  },
  {
    usage: 'servers add <url>',
    text: 'Add a server, or change the one that has this URL',
    flags: [
      'weight',
      'backup',
      'max-connections',
      'zone',
      'http2',
      'host',
      'proxy-protocol',
      'ttl',
      'pool',
      ...adminFlags,
    ],
    async run([url = ''], given) {
      const { addServer } = await import('./commands/servers.ts');
      const weight = textOf(given, 'weight');
      if (weight !== undefined && !/^\d{1,4}$/.test(weight)) {
        throw usageError(`--weight: expected a number from 1 to 1000, got ${weight}`);
      }
      const most = textOf(given, 'max-connections');
      if (most !== undefined && !/^[1-9]\d{0,6}$/.test(most)) {
        throw usageError(`--max-connections: expected a number from 1 to 1000000, got ${most}`);
      }
      const server = {
        url,
        weight: weight === undefined ? undefined : Number(weight),
        backup: isOn(given, 'backup') || undefined,
        maxConnections: most === undefined ? undefined : Number(most),
        zone: textOf(given, 'zone'),
        http2: isOn(given, 'http2') || undefined,
        host: textOf(given, 'host'),
        proxyProtocol: textOf(given, 'proxy-protocol'),
        ttl: textOf(given, 'ttl'),
      };
      return print(await addServer(adminOf(given), poolOf(given), server, isOn(given, 'json')));
    },
  },
  {
    usage: 'servers remove <url>',
    text: 'Remove a server, after the requests that it has',
    flags: ['force', 'wait', 'pool', ...adminFlags],
    async run([url = ''], given) {
      const { removeServer } = await import('./commands/servers.ts');
      const how = { force: isOn(given, 'force'), wait: isOn(given, 'wait') };
      return print(await removeServer(adminOf(given), poolOf(given), url, how, isOn(given, 'json')));
    },
  },
  {
    usage: 'servers reset <url>',
    text: 'Forget what was changed of a server at run time: the config decides again',
    flags: ['field', 'pool', ...adminFlags],
    async run([url = ''], given) {
      const { resetServer } = await import('./commands/servers.ts');
      const json = isOn(given, 'json');
      return print(
        await resetServer(adminOf(given), { pool: poolOf(given), url, field: textOf(given, 'field') }, json),
      );
    },
  },
  stateCommand('drain', 'draining', 'Give a server no new requests, and keep it in the list'),
  stateCommand('disable', 'disabled', 'Take a server out, until it is enabled again'),
  stateCommand('enable', 'active', 'Take a drained or disabled server in again'),
  {
    usage: 'pools',
    text: 'List the pools of the running Weldr',
    flags: adminFlags,
    async run(_, given) {
      const { listPools } = await import('./commands/pools.ts');
      return print(await listPools(adminOf(given), isOn(given, 'json')));
    },
  },
  {
    usage: 'pools add <name>',
    text: 'Add a pool, or change the one of this name',
    flags: ['fallback', 'plugins', 'http2', 'host', 'proxy-protocol', 'check-path', 'set', ...adminFlags],
    async run([name = ''], given) {
      const { addPool, namesOf, settingsOf } = await import('./commands/pools.ts');
      const path = textOf(given, 'check-path');
      const pool = {
        fallback: textOf(given, 'fallback'),
        plugins: namesOf(textOf(given, 'plugins')),
        http2: isOn(given, 'http2') || undefined,
        host: textOf(given, 'host'),
        proxyProtocol: textOf(given, 'proxy-protocol'),
        healthCheck: path === undefined ? undefined : { path },
      };
      const definition = { name, ...settingsOf(pool, listOf(given, 'set')) };
      return print(await addPool(adminOf(given), definition, isOn(given, 'json')));
    },
  },
  {
    usage: 'pools remove <name>',
    text: 'Remove a pool',
    flags: ['force', ...adminFlags],
    async run([name = ''], given) {
      const { removePool } = await import('./commands/pools.ts');
      const how = { force: isOn(given, 'force') };
      return print(await removePool(adminOf(given), { name, how }, isOn(given, 'json')));
    },
  },
  {
    usage: 'pools reset <name>',
    text: 'Forget what was changed of a pool at run time: the config decides again',
    flags: adminFlags,
    async run([name = ''], given) {
      const { resetPoolWord } = await import('./commands/pools.ts');
      return print(await resetPoolWord(adminOf(given), name, isOn(given, 'json')));
    },
  },
  {
    usage: 'routes',
    text: 'List the routes of the running Weldr',
    flags: adminFlags,
    async run(_, given) {
      const { listRoutes } = await import('./commands/routes.ts');
      return print(await listRoutes(adminOf(given), isOn(given, 'json')));
    },
  },
  {
    usage: 'routes set <name>',
    text: 'Add a route, or change what is said of the one of this name',
    flags: [
      'host',
      'path',
      'method',
      'pool',
      'split',
      'redirect',
      'strip-prefix',
      'rewrite',
      'priority',
      'value',
      ...adminFlags,
    ],
    async run([name = ''], given) {
      const { setRoute } = await import('./commands/routes.ts');
      const said = {
        host: textOf(given, 'host'),
        path: textOf(given, 'path'),
        method: textOf(given, 'method'),
        pool: textOf(given, 'pool'),
        split: textOf(given, 'split'),
        redirect: textOf(given, 'redirect'),
        stripPrefix: textOf(given, 'strip-prefix'),
        rewrite: textOf(given, 'rewrite'),
        priority: textOf(given, 'priority'),
        value: textOf(given, 'value'),
      };
      return print(await setRoute(adminOf(given), { name, flags: said }, isOn(given, 'json')));
    },
  },
  {
    usage: 'routes remove <name>',
    text: 'Remove a route',
    flags: adminFlags,
    async run([name = ''], given) {
      const { removeRoute } = await import('./commands/routes.ts');
      return print(await removeRoute(adminOf(given), name, isOn(given, 'json')));
    },
  },
  {
    usage: 'routes reset <name>',
    text: 'Forget what was changed of a route at run time: the config decides again',
    flags: ['field', ...adminFlags],
    async run([name = ''], given) {
      const { resetRoute } = await import('./commands/routes.ts');
      const what = { name, field: textOf(given, 'field') };
      return print(await resetRoute(adminOf(given), what, isOn(given, 'json')));
    },
  },
  {
    usage: 'routes test <method> <url>',
    text: 'Say which route a request would take, and why not those before it',
    flags: ['header', ...adminFlags],
    async run([method = '', url = ''], given) {
      const { testRoute } = await import('./commands/routes.ts');
      const request = { method, url, headers: listOf(given, 'header') };
      return print(await testRoute(adminOf(given), request, isOn(given, 'json')));
    },
  },
  {
    usage: 'explain <method> <url>',
    text: 'Say what would become of a request, and what each plugin says of it. Exits 1 if Weldr would answer an error',
    flags: ['header', 'client-ip', 'listener', 'answer', ...adminFlags],
    async run([method = '', url = ''], given) {
      const { explain } = await import('./commands/explain.ts');
      const request = {
        method,
        url,
        headers: listOf(given, 'header'),
        clientIp: textOf(given, 'client-ip'),
        listener: textOf(given, 'listener'),
        answer: textOf(given, 'answer'),
      };
      const { text, exitCode } = await explain(adminOf(given), request, isOn(given, 'json'));
      print(text);
      return exitCode;
    },
  },
  {
    usage: 'trace',
    text: 'Show what becomes of real requests, and what each plugin says of them. Exits 1 if there was none',
    flags: ['host', 'path', 'method', 'status', 'count', 'duration', ...adminFlags],
    async run(_, given) {
      const { trace } = await import('./commands/trace.ts');
      const which = {
        host: textOf(given, 'host'),
        path: textOf(given, 'path'),
        method: textOf(given, 'method'),
        status: textOf(given, 'status'),
        count: textOf(given, 'count'),
        duration: textOf(given, 'duration'),
      };
      const count = await trace(adminOf(given), which, { json: isOn(given, 'json'), print });
      return count === 0 ? exitCodes.failed : exitCodes.ok;
    },
  },
  {
    usage: 'certificates',
    text: 'List the certificates that clients are shown',
    flags: adminFlags,
    async run(_, given) {
      const { listCertificates } = await import('./commands/certificates.ts');
      return print(await listCertificates(adminOf(given), isOn(given, 'json')));
    },
  },
  {
    usage: 'certificates add <name>',
    text: 'Show clients a certificate, in place of the one of this name',
    flags: ['cert', 'key', 'passphrase-file', ...adminFlags],
    async run([name = ''], given) {
      const { addCertificate } = await import('./commands/certificates.ts');
      const [cert, key] = [textOf(given, 'cert'), textOf(given, 'key')];
      if (cert === undefined || key === undefined) {
        throw usageError('weldr certificates add: --cert FILE and --key FILE are both needed');
      }
      const files = { cert, key, passphrase: textOf(given, 'passphrase-file') };
      return print(await addCertificate(adminOf(given), { name, files }, isOn(given, 'json')));
    },
  },
  {
    usage: 'certificates remove <name>',
    text: 'Remove a certificate that was added at run time',
    flags: adminFlags,
    async run([name = ''], given) {
      const { removeCertificate } = await import('./commands/certificates.ts');
      return print(await removeCertificate(adminOf(given), name, isOn(given, 'json')));
    },
  },
  {
    usage: 'certificates reset <name>',
    text: 'Forget a certificate that was put over one of the config: that is shown again',
    flags: adminFlags,
    async run([name = ''], given) {
      const { resetCertificate } = await import('./commands/certificates.ts');
      return print(await resetCertificate(adminOf(given), name, isOn(given, 'json')));
    },
  },
  {
    usage: 'apply',
    text: 'Have the servers, pools and routes of a file be there; print what differs. With --dry-run exits 1 if anything does',
    flags: ['file', 'dry-run', 'prune', ...reachFlags],
    async run(_, given) {
      const file = textOf(given, 'file');
      if (file === undefined) throw usageError('weldr apply: which file? -f state.yaml, or -f - for stdin');
      const { applyFile } = await import('./commands/apply.ts');
      const how = { dryRun: isOn(given, 'dry-run'), prune: isOn(given, 'prune') };
      const { text, exitCode } = await applyFile(adminOf(given), file, how);
      print(text);
      return exitCode;
    },
  },
  {
    usage: 'get',
    text: 'Print the servers, pools and routes that are in force, as a file for weldr apply',
    flags: reachFlags,
    async run(_, given) {
      const { getState } = await import('./commands/get.ts');
      return print(await getState(adminOf(given)));
    },
  },
  {
    usage: 'stats',
    text: 'Show what was counted',
    flags: ['watch', 'sort', 'interval', ...adminFlags],
    async run(_, given) {
      const { readStats, watchOptions, watchStats } = await import('./commands/stats.ts');
      const isWatched = isOn(given, 'watch');
      const how = { isWatched, sort: textOf(given, 'sort'), interval: textOf(given, 'interval') };
      const options = watchOptions(how);
      if (isWatched) {
        await watchStats(adminOf(given), options, isOn(given, 'json'));
        return exitCodes.ok;
      }
      return print(await readStats(adminOf(given), isOn(given, 'json')));
    },
  },
  {
    usage: 'events',
    text: 'Show what happened, and with --follow what happens',
    flags: ['follow', 'type', 'pool', 'limit', ...adminFlags],
    async run(_, given) {
      const { followEvents, listEvents } = await import('./commands/events.ts');
      const wish = {
        type: textOf(given, 'type'),
        pool: textOf(given, 'pool'),
        limit: textOf(given, 'limit'),
      };
      const json = isOn(given, 'json');
      if (!isOn(given, 'follow')) return print(await listEvents(adminOf(given), wish, json));
      await followEvents(adminOf(given), wish, json);
      return exitCodes.ok;
    },
  },
  {
    usage: 'reload',
    text: 'Have the running Weldr read its config anew',
    flags: adminFlags,
    async run(_, given) {
      const answer = await adminOf(given).call({ method: 'POST', path: '/reload', timeoutMs: 120_000 });
      return print(
        isOn(given, 'json') ? JSON.stringify(answer ?? {}) : 'the config is read anew and in force',
      );
    },
  },
  {
    usage: 'upgrade',
    text: 'Have the Weldr, or the Node, that is installed now take over from the running one',
    flags: adminFlags,
    async run(_, given) {
      const { upgrade } = await import('./commands/upgrade.ts');
      return print(await upgrade(adminOf(given), isOn(given, 'json')));
    },
  },
  {
    usage: 'pool reset',
    text: 'Forget all that was changed at run time: servers, pools, routes, certificates, settings',
    flags: adminFlags,
    async run(_, given) {
      const { resetPool } = await import('./commands/pool.ts');
      return print(await resetPool(adminOf(given), isOn(given, 'json')));
    },
  },
  {
    usage: 'pool export',
    text: 'Print all run-time changes as JSON, to import them elsewhere',
    flags: ['output', 'secrets', ...reachFlags],
    async run(_, given) {
      const { exportPool } = await import('./commands/pool.ts');
      const how = { file: textOf(given, 'output'), secrets: isOn(given, 'secrets') };
      return print(await exportPool(adminOf(given), how));
    },
  },
  {
    usage: 'pool import [file]',
    text: 'Take over exported run-time changes, from a file or stdin',
    flags: adminFlags,
    async run([file], given) {
      const { importPool } = await import('./commands/pool.ts');
      return print(await importPool(adminOf(given), file, isOn(given, 'json')));
    },
  },
  {
    usage: 'cluster status',
    text: 'Show nodes, leader, address and etcd; exits with 1 when something is wrong',
    flags: adminFlags,
    async run(_, given) {
      const { clusterStatus } = await import('./commands/cluster.ts');
      const { text, exitCode } = await clusterStatus(adminOf(given), isOn(given, 'json'));
      print(text);
      return exitCode;
    },
  },
  {
    usage: 'cluster hand-over',
    text: 'Have another node of the cluster lead; answers when it does',
    flags: ['to', ...adminFlags],
    async run(_, given) {
      const { handOver } = await import('./commands/cluster-leadership.ts');
      return print(await handOver(adminOf(given), textOf(given, 'to'), isOn(given, 'json')));
    },
  },
  {
    usage: 'cluster maintenance <state> [node]',
    text: 'on: a node does not lead, over restarts, and hands over first; off: it may again',
    flags: adminFlags,
    async run([state = '', node], given) {
      const { setMaintenance } = await import('./commands/cluster-leadership.ts');
      return print(await setMaintenance(adminOf(given), { state, node }, isOn(given, 'json')));
    },
  },
  {
    usage: 'cluster init <machines>',
    text: 'Write the settings of etcd and a config for each machine of a new cluster: a=10.0.0.1,b=10.0.0.2,c=10.0.0.3',
    flags: ['weldrs', 'address', 'interface', 'output'],
    async run([machines = ''], given) {
      const { initCluster } = await import('./commands/cluster-init.ts');
      return print(
        await initCluster({
          machines,
          weldrs: textOf(given, 'weldrs'),
          address: textOf(given, 'address'),
          interface: textOf(given, 'interface'),
          output: textOf(given, 'output') ?? 'weldr-cluster',
        }),
      );
    },
  },
  {
    usage: 'cluster check <machines>',
    text: 'Ask the etcd of each machine whether they are one cluster and fit for Weldr',
    flags: [],
    async run([machines = '']) {
      const { checkCluster } = await import('./commands/cluster-init.ts');
      const { text, code } = await checkCluster(machines);
      print(text);
      return code;
    },
  },
];

/**
 * Runs the command that the arguments (those after `weldr`) name; answers its exit code, or undefined while it goes
 * on. Throws a CommandError, for a wrong command or flag with the nearest right one.
 */
export async function runCommandLine(args: readonly string[]): Promise<number | undefined> {
  const command = findCommand(args);
  const program = sade('weldr').version(version).describe(about);
  for (const known of commands) {
    program.command(known.usage, known.text, { default: known.usage === 'start' });
    for (const name of known.flags) {
      const { text, ...flag }: Flag = flags[name];
      program.option(
        flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`,
        flag.value === undefined ? text : `${text} (${flag.value})`,
      );
    }
    program.action(() => {});
  }
  const output = program.parse(['', 'weldr', ...args], {
    lazy: true,
    string: Object.keys(flags).filter(isValueFlag),
    boolean: Object.keys(flags).filter(name => !isValueFlag(name)),
    unknown: (flag: string) => refuseFlag(flag, command),
  });
  // --help and --version have printed what they had to say.
  if (output === undefined) return exitCodes.ok;
  const given: Flags = Object(output.args.at(-1));
  const words: unknown = given['_'];
  const positional = output.args.slice(0, -1);
  if (Array.isArray(words) && words.length > 0) {
    throw usageError(`${wordsOf(command)} takes no ${JSON.stringify(String(words[0]))}`);
  }
  for (const name of command.flags) {
    if (isValueFlag(name) && given[name] === '') throw usageError(`--${name} needs a value`);
  }
  return await command.run(positional, given);
}

const about = [
  'A reverse proxy and load balancer whose pool changes at run time.',
  'Flags go before WELDR_LISTEN, WELDR_ADMIN_LISTEN, WELDR_ADMIN_TOKEN, WELDR_WORKERS, WELDR_LOG_LEVEL, WELDR_ZONE and',
  'WELDR_MEMBER, these before the config. WELDR_ADMIN is the admin API that commands talk to; WELDR_ADMIN_CA, WELDR_ADMIN_CERT and',
  'WELDR_ADMIN_KEY are for one that speaks TLS.',
  'Exit codes: 0 done, 1 failed, 2 wrong command line, 69 no admin API there, 78 the config is not valid.',
];

/** The words of a command line come first, flags after them. */
function findCommand(args: readonly string[]): Command {
  const end = args.findIndex(arg => arg.startsWith('-'));
  const words = end < 0 ? args : args.slice(0, end);
  const start = commands[0];
  if (start === undefined) throw new Error('there is no command');
  if (words.length === 0) return start;
  const typed = words.join(' ');
  const found = commands
    .filter(command => `${typed} `.startsWith(`${wordsOf(command)} `))
    .sort((a, b) => b.usage.length - a.usage.length)[0];
  const group = commands.filter(({ usage }) => usage.startsWith(`${words[0]} `));
  if (found === undefined || (group.length > 0 && found.usage === words[0] && words.length > 1)) {
    // Of a group alone, one of its commands is nearer than any other word.
    const near =
      (words.length === 1 ? group.map(wordsOf)[0] : undefined) ??
      nearest(words.slice(0, 2).join(' '), commands.map(wordsOf)) ??
      nearest(words[0] ?? '', commands.map(wordsOf));
    throw usageError(
      `there is no command ${JSON.stringify(typed)}${near === undefined ? '' : `; did you mean \`weldr ${near}\`?`}`,
    );
  }
  if (args.some(arg => ['-h', '--help', '-v', '--version'].includes(arg))) return found;
  const needed = found.usage.split(' ').filter(part => part.startsWith('<'));
  const given = words.length - wordsOf(found).split(' ').length;
  const later = end < 0 ? 0 : args.slice(end).filter(arg => !arg.startsWith('-')).length;
  if (given + later < needed.length) throw usageError(`weldr ${found.usage}: ${needed[given]} is missing`);
  return found;
}

function refuseFlag(flag: string, command: Command): never {
  const near = nearest(
    flag,
    command.flags.map(name => `--${name}`),
  );
  const known = near === undefined ? '' : `; did you mean ${near}?`;
  throw usageError(`weldr ${wordsOf(command)} has no flag ${flag}${known}`);
}

function wordsOf(command: Command): string {
  return command.usage.replace(/ [<[].*$/, '');
}

function isValueFlag(name: string): boolean {
  return Object.hasOwn(flags, name) && 'value' in flags[name as keyof typeof flags];
}

function textOf(given: Flags, name: keyof typeof flags): string | undefined {
  const value = given[name];
  if (Array.isArray(value)) throw usageError(`--${name} is given twice`);
  return value === undefined || value === '' ? undefined : String(value);
}

/** All that a flag was given, which can be repeated. */
function listOf(given: Flags, name: keyof typeof flags): readonly string[] {
  const value = given[name];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map(String);
}

function isOn(given: Flags, name: keyof typeof flags): boolean {
  return given[name] === true;
}

function poolOf(given: Flags): string {
  return textOf(given, 'pool') ?? 'default';
}

function adminOf(given: Flags): AdminClient {
  const { WELDR_ADMIN: url, WELDR_ADMIN_TOKEN: token } = process.env;
  const { WELDR_ADMIN_CA: ca, WELDR_ADMIN_CERT: cert, WELDR_ADMIN_KEY: key } = process.env;
  const isFromEnvironment =
    textOf(given, 'admin-cert') === undefined && textOf(given, 'admin-key') === undefined;
  return new AdminClient(textOf(given, 'admin-url') ?? (url || defaultAdminUrl), token || undefined, {
    ca: textOf(given, 'admin-ca') ?? (ca || undefined),
    // A certificate of one place does not go with a key of the other.
    cert: isFromEnvironment ? cert || undefined : textOf(given, 'admin-cert'),
    key: isFromEnvironment ? key || undefined : textOf(given, 'admin-key'),
  });
}

function startSettings(given: Flags) {
  return {
    config: textOf(given, 'config'),
    ip: textOf(given, 'ip'),
    adminIp: textOf(given, 'admin-ip'),
    workers: textOf(given, 'workers'),
  };
}

function stateCommand(word: string, state: 'active' | 'draining' | 'disabled', text: string): Command {
  return {
    usage: `servers ${word} <url>`,
    text,
    flags: state === 'draining' ? ['wait', 'pool', ...adminFlags] : ['pool', ...adminFlags],
    async run([url = ''], given) {
      const { setServerState } = await import('./commands/servers.ts');
      const how = { state, wait: isOn(given, 'wait') };
      return print(await setServerState(adminOf(given), poolOf(given), url, how, isOn(given, 'json')));
    },
  };
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return exitCodes.ok;
}
