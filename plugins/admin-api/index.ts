// admin-api: serves the admin routes, its own and those of other plugins, over HTTP.
import { z } from 'zod';
import { type ListenerTls, listenerTls } from '../../core/certificates/listener-tls.ts';
import { readTls } from '../../core/certificates/tls-reading.ts';
import { WeldrError } from '../../core/errors.ts';
import { secret } from '../../core/options/secret.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import { addressOf, meet, parseTcpAddress, tcpAddress } from '../../core/settings/listen.ts';
import type { Overrides } from '../../core/settings/settings.ts';
import { AccessGuard, isLoopback } from './access-guard.ts';
import { addBatchRoute } from './batch-route.ts';
import { addCertificateRoutes } from './certificate-routes.ts';
import { addChangeRoutes } from './change-routes.ts';
import { addExplainRoute } from './explain-route.ts';
import { addKindRoutes } from './kind-routes.ts';
import { addManagerRoutes } from './manager-routes.ts';
import { addOpenApiRoute } from './openapi.ts';
import type { OverviewMemory } from './overviews.ts';
import { addPluginRoutes } from './plugin-routes.ts';
import { addPoolRoutes } from './pool-routes.ts';
import { addServerRoutes } from './server-routes.ts';
import type { Sessions } from './sessions.ts';
import type { TlsDoor } from './tls-door.ts';
import { addTraceRoutes } from './trace-routes.ts';

const token = z
  .string()
  .regex(
    /^[\x21-\x7e]{16,1024}$/,
    'a token has 16 characters or more, without spaces; make one with openssl rand -hex 32',
  );

const options = z
  .strictObject({
    listen: tcpAddress.default('127.0.0.1:8687').describe('The address to listen on.'),
    token: secret()
      .pipe(token)
      .optional()
      .describe('The bearer token that callers send, `env:NAME` or `file:PATH`.'),
    readToken: secret()
      .pipe(token)
      .optional()
      .describe('A second token for read-only access, `env:NAME` or `file:PATH`.'),
    hosts: z
      .array(z.string().min(1).max(253))
      .max(100)
      .default([])
      .describe('Additional host names by which it is reached, without ports; needed only without a token.'),
    tls: listenerTls
      // There is no other source of certificates here.
      .refine(({ certificates }) => certificates.length > 0, {
        path: ['certificates'],
        message: 'expected at least one certificate',
      })
      .optional()
      .describe('Serves HTTPS, as a listener does; `clientAuth` in mode `require` replaces a token.'),
  })
  .describe(
    'Serves the admin API: changes servers, pools and routes at run time and reports the state of Weldr.',
  );

/** The options of `adminApi`, as written in a config; each has a default. */
export type AdminApiOptions = z.input<typeof options>;

/** What survives reloads. */
interface Memory {
  overview: OverviewMemory | undefined;
  sessions: Sessions | undefined;
}

/**
 * The admin API: JSON over HTTP or, with `tls`, HTTPS, on 127.0.0.1:8687 by default. Without a bearer token or client
 * certificates it listens on loopback addresses only: otherwise the start fails with CONFIG_INVALID. It fails with
 * LISTEN_FAILED when the address is taken.
 */
export const adminApi = definePlugin({
  name: 'admin-api',
  schema: options,
  memory: (): Memory => ({ overview: undefined, sessions: undefined }),
  check(configured, { overrides, listen, warn, listensOn }) {
    const { host, port } = accessOf(overrides, configured);
    const target = { kind: 'tcp', host, port } as const;
    listensOn(addressOf(target));
    if (configured.tls !== undefined) checkTls(configured.tls);
    else if (!isLoopback(host)) {
      warn(
        'listen',
        `callers send the token to ${addressOf(target)} in plain text; set adminApi({ tls }), or listen on 127.0.0.1`,
      );
    }
    const taken = listen.find(one => port !== 0 && meet(one.target, target));
    if (taken === undefined) return;
    throw new WeldrError(
      'CONFIG_INVALID',
      `${addressOf(target)} and ${taken.address}, where clients connect to, are the same port; choose another for one of them`,
      { field: 'listen' },
    );
  },
  async manager(side, configured) {
    addManagerRoutes(side);
    addChangeRoutes(side);
    addOpenApiRoute(side.admin, side.status.version);
    addPoolRoutes(side.admin, side);
    addServerRoutes(side.admin, side);
    addCertificateRoutes(side.admin, side);
    addKindRoutes(side.admin, side);
    addBatchRoute(side.admin, side);
    addExplainRoute(side);
    addTraceRoutes(side);
    addPluginRoutes(side);
    const { host, port, bearer } = accessOf(side.overrides, configured);
    const { hosts, tls, readToken } = configured;
    const clientAuth = tls?.clientAuth?.mode;
    const guard = new AccessGuard({ token: bearer, readToken, clientAuth, listenHost: host, hosts });
    const { admin: routes, clock, log, operator, onClose, memory, status } = side;
    // Workers never serve it, and loading it takes longer than everything else that they need.
    const { AdminServer, addEventRoutes, OverviewMemory, PageDoor, Sessions } = await import(
      './admin-server.ts'
    );
    memory.overview ??= new OverviewMemory();
    memory.sessions ??= new Sessions();
    addEventRoutes(side.admin, side, memory.overview);
    const door = tls === undefined ? undefined : await doorOf(tls, side);
    const secure = door !== undefined;
    const { sessions } = memory;
    const pageDoor = new PageDoor({ routes, sessions, clock, secure, version: status.version });
    const stale = (): boolean => operator.stale;
    const server = new AdminServer({ routes, guard, pageDoor, log, clock, door, stale });
    onClose(() => server.close());
    const address = await server.listen(host, port);
    side.listensOn(address);
    const scheme = secure ? 'https' : 'http';
    const facts = { address, scheme, token: bearer !== undefined };
    log.info(facts, `the admin API listens on ${scheme}://${address}`);
  },
});

async function doorOf(
  tls: ListenerTls,
  { clock, log }: Pick<ManagerSide, 'clock' | 'log'>,
): Promise<TlsDoor> {
  const { TlsDoor } = await import('./tls-door.ts');
  return new TlsDoor(tls, clock, log);
}

/** Checks the TLS settings as at the start. Throws like invalid options, whose place is prepended to the message. */
function checkTls(tls: ListenerTls): void {
  try {
    readTls(tls, 'tls');
  } catch (thrown) {
    if (!(thrown instanceof WeldrError) || thrown.field === undefined) throw thrown;
    const { field, code, message } = thrown;
    throw new WeldrError(code, message.replace(`${field}: `, ''), { field });
  }
}

/** Address and token: flags and environment override the options. */
function accessOf(overrides: Overrides, configured: z.output<typeof options>) {
  const listen = overrides.adminListen ?? configured.listen;
  const address = parseTcpAddress(listen);
  if (address === undefined)
    throw new WeldrError('CONFIG_INVALID', `not an address: ${listen}`, { field: 'listen' });
  if (overrides.adminToken !== undefined) checkOverride(overrides.adminToken);
  const bearer = overrides.adminToken ?? configured.token;
  const isKnown = bearer !== undefined || configured.tls?.clientAuth?.mode === 'require';
  if (!isKnown && !isLoopback(address.host)) {
    throw new WeldrError(
      'CONFIG_INVALID',
      `the admin API would be open to everybody who reaches ${listen}: set adminApi({ token }) or WELDR_ADMIN_TOKEN, or listen on 127.0.0.1, or require certificates of callers (tls.clientAuth)`,
      { field: 'token' },
    );
  }
  checkReadToken(configured.readToken, bearer);
  return { ...address, bearer };
}

/** A read-only token without the other one would give everybody full access. */
function checkReadToken(readToken: string | undefined, bearer: string | undefined): void {
  if (readToken === undefined || (bearer !== undefined && bearer !== readToken)) return;
  const why =
    bearer === undefined ? 'set a token for those who may change things, too' : 'it is the same as the token';
  throw new WeldrError('CONFIG_INVALID', `the read-only token: ${why}`, { field: 'readToken' });
}

/** The options are checked with the config, the environment is checked here. */
function checkOverride(text: string): void {
  const problem = token.safeParse(text).error?.issues[0]?.message;
  if (problem === undefined) return;
  throw new WeldrError('CONFIG_INVALID', `WELDR_ADMIN_TOKEN: ${problem}`, { field: 'token' });
}
