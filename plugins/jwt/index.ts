// jwt: admits requests with a valid token (RFC 7519), and passes claims on to servers.
import { channel, definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ConfigFacts, ManagerSide, WorkerSide } from '../../core/plugin/plugin.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { algorithmsFor } from './algorithms.ts';
import { type KeptKeys, KeyKeeper } from './key-keeper.ts';
import type { KeysTold, KeysWanted } from './key-line.ts';
import { options, type Parsed } from './options.ts';
import { publicKeyOf, publicKeysIn } from './public-keys.ts';
import type { Claims } from './token-claims.ts';
import type { CheckingKeys, VerificationOptions } from './verification.ts';

export type { JwtOptions } from './options.ts';

/** The claims of a request's token. */
const claimsSlot = contextSlot<Claims>('jwt.claims');

const plugin = definePlugin({
  name: 'jwt',
  schema: options,
  channel: channel<KeysWanted, KeysTold>(),
  memory: (): KeptKeys => ({ url: '', keys: undefined, edition: 0, fetchedAt: 0 }),
  check: warnOf,
  worker: checkTokens,
  manager: keepKeys,
});

/**
 * Checks tokens: `jwt({ jwks: 'https://id.example/keys', issuer: 'https://id.example', audience: 'shop' })`.
 * `ctx.get(jwt.claims)` has the claims, for later plugins.
 */
export const jwt = Object.assign(plugin, { claims: claimsSlot });

async function checkTokens(side: WorkerSide<KeysWanted, KeysTold>, options: Parsed): Promise<void> {
  const worker = await import('./worker-side.ts');
  const rules = { options, keys: keysOf(options), verification: verificationOf(options), slot: claimsSlot };
  worker.checkTokens(side, rules);
}

/** Returns the keys in the config; undefined: they must be fetched. */
function keysOf({ jwks, key, secret }: Parsed): CheckingKeys | undefined {
  if (secret !== undefined) return { kind: 'secrets', secrets: [secret].flat() };
  if (key !== undefined) return { kind: 'keys', keys: [key].flat().map(publicKeyOf) };
  return typeof jwks === 'string' ? undefined : { kind: 'set', keys: publicKeysIn(jwks) };
}

function verificationOf(parsed: Parsed): VerificationOptions {
  const { algorithms, issuer, audience, type, requiredClaims, clockTolerance, maxAge, secret } = parsed;
  const possible = algorithmsFor(secret === undefined ? 'public' : 'secret', algorithms);
  return {
    // Mistakes were reported when the options were checked.
    algorithms: typeof possible === 'string' ? [] : possible,
    issuer: issuer === undefined ? undefined : [issuer].flat(),
    audience: audience === undefined ? undefined : [audience].flat(),
    type,
    requiredClaims,
    clockTolerance,
    maxAge,
  };
}

async function keepKeys(
  side: ManagerSide<KeysWanted, KeysTold, KeptKeys>,
  { jwks: url, ca, timeout, refresh, cooldown, keep }: Parsed,
): Promise<void> {
  if (typeof url !== 'string') return;
  const { clock, log, memory, channel: workers, status, onClose } = side;
  const { KeyServer } = await import('./key-server.ts');
  const server = new KeyServer({ url, ca, timeout, userAgent: `weldr/${status.version}` });
  const keeper = new KeyKeeper({
    url,
    kept: memory,
    clock,
    timeout,
    refresh,
    cooldown,
    keep,
    fetch: signal => server.fetch(signal),
    tell: (worker, told) => (worker === undefined ? workers.broadcast(told) : workers.send(worker, told)),
    warn: text => log.warn(text),
    info: text => log.info(text),
  });
  onClose(() => server.close());
  onClose(() => keeper.close());
  workers.onMessage(({ wanted }, worker) => keeper.wanted(worker, wanted));
  keeper.start();
}

const loopback = /^http:\/\/(?:localhost|127(?:\.\d+){3}|\[::1\])(?:[:/]|$)/i;

function warnOf({ jwks, audience }: Parsed, { warn }: ConfigFacts): void {
  if (typeof jwks !== 'string') return;
  if (audience === undefined) {
    const text =
      'tokens that the provider issued for other services are admitted, too: set the audience of this one';
    warn('audience', text);
  }
  if (jwks.startsWith('http:') && !loopback.test(jwks)) {
    warn('jwks', 'keys fetched over http:// can be replaced on the network: use https://');
  }
}
