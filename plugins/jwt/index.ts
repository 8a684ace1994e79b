// jwt: lets in requests with a valid token (RFC 7519), and tells servers what it says.
import { channel, definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ConfigFacts, ManagerSide, WorkerSide } from '../../core/plugin/plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { deleteField } from '../../core/request/field-aliases.ts';
import type { Reply } from '../../core/request/reply.ts';
import { algorithmsFor } from './algorithms.ts';
import { findToken, removeToken } from './bearer-token.ts';
import { type KeptKeys, KeyKeeper } from './key-keeper.ts';
import type { KeysTold, KeysWanted } from './key-line.ts';
import { FetchedKeys, FixedKeys, type KeySource } from './key-source.ts';
import { options, type Parsed } from './options.ts';
import { publicKeyOf, publicKeysIn } from './public-keys.ts';
import { Refusals } from './refusals.ts';
import type { Verdict } from './token-checks.ts';
import { type Claims, fieldOf, hasScopes, missedClaim } from './token-claims.ts';
import type { VerificationOptions } from './verification.ts';

export type { JwtOptions } from './options.ts';

/** The claims of a request's token. */
const claimsSlot = contextSlot<Claims>('jwt.claims');

/** A token has three parts of base64url, none of them empty (RFC 7515 section 7.1): it is signed, and not encrypted. */
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/;

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
 * The plugin that checks tokens: `jwt({ jwks: 'https://id.example/keys', issuer: 'https://id.example', audience: 'shop' })`.
 * `ctx.get(jwt.claims)` has the claims, for plugins behind it.
 */
export const jwt = Object.assign(plugin, { claims: claimsSlot });

async function checkTokens(side: WorkerSide<KeysWanted, KeysTold>, parsed: Parsed): Promise<void> {
  const { hooks, clock, log, metrics, onClose } = side;
  const keys = keySourceOf(side, parsed);
  onClose(() => keys.close());
  // Only who checks tokens loads the library.
  const { TokenChecks } = await import('./token-checks.ts');
  const { remember } = parsed;
  const checks = new TokenChecks({ keys, verification: verificationOf(parsed), clock, remember });
  const refusals = new Refusals(parsed.realm, parsed.scopes);
  const places = [parsed.from].flat();
  const told = Object.keys(parsed.forwardClaims);
  const results = metrics.counter({
    name: 'jwt_total',
    help: 'Requests whose token was looked at.',
    labels: ['result'],
  });
  const [admitted, refused, failed] = [
    results.labels('admitted'),
    results.labels('refused'),
    results.labels('failed'),
  ];

  hooks.request.tapAsync('jwt', (ctx, done) => {
    // Whoever passes: a server trusts them.
    for (const name of told) deleteField(ctx.outgoing.headers, name);
    const found = findToken(ctx, places);
    if (found === 'none' && parsed.optional) {
      done(null);
      return;
    }
    if (found === 'none' || found === 'several') {
      refused.inc();
      done(null, found === 'none' ? refusals.noToken : refusals.several);
      return;
    }
    const { token } = found;
    if (token.length > parsed.maxToken || !compact.test(token)) {
      done(null, answerTo(ctx, { refused: 'the token is malformed' }));
      return;
    }
    const leave = checks.check(token, verdict => done(null, answerTo(ctx, verdict)));
    if (leave !== undefined) ctx.signal.addEventListener('abort', leave, { once: true });
  });

  function answerTo(ctx: ProxyContext, verdict: Verdict): Reply | undefined {
    if ('failed' in verdict) {
      failed.inc();
      ctx.note(`jwt: ${verdict.failed}`);
      log.debug(`a token cannot be checked: ${verdict.failed}`);
      return refusals.unavailable;
    }
    if ('refused' in verdict) {
      refused.inc();
      ctx.note(`jwt: ${verdict.refused}`);
      return refusals.invalid(verdict.refused);
    }
    const { claims } = verdict;
    const missed = missedClaim(claims, parsed.claims);
    if (missed !== undefined || !hasScopes(claims, parsed.scopes)) {
      refused.inc();
      ctx.note(`jwt: ${missed === undefined ? 'a scope is missing' : `the claim ${missed} is another`}`);
      return refusals.insufficient;
    }
    admitted.inc();
    admit(ctx, claims);
    return undefined;
  }

  function admit(ctx: ProxyContext, claims: Claims): void {
    if (!parsed.forward) removeToken(ctx, places);
    for (const [field, claim] of Object.entries(parsed.forwardClaims)) {
      const value = fieldOf(claims, claim);
      if (value !== undefined) ctx.outgoing.headers.set(field, value);
    }
    ctx.set(claimsSlot, claims);
    if (typeof claims['sub'] === 'string') ctx.note(`jwt: sub ${claims['sub']}`);
  }
}

function keySourceOf(
  { channel: manager, clock }: WorkerSide<KeysWanted, KeysTold>,
  parsed: Parsed,
): KeySource {
  const { jwks, key, secret, timeout } = parsed;
  if (secret !== undefined) return new FixedKeys({ kind: 'secrets', secrets: [secret].flat() });
  if (key !== undefined) return new FixedKeys({ kind: 'keys', keys: [key].flat().map(publicKeyOf) });
  if (typeof jwks !== 'string') return new FixedKeys({ kind: 'set', keys: publicKeysIn(jwks) });
  const keys = new FetchedKeys({ url: jwks, clock, timeout, ask: message => manager.send(message) });
  manager.onMessage(message => keys.hear(message));
  return keys;
}

function verificationOf(parsed: Parsed): VerificationOptions {
  const { algorithms, issuer, audience, type, requiredClaims, clockTolerance, maxAge, secret } = parsed;
  const possible = algorithmsFor(secret === undefined ? 'public' : 'secret', algorithms);
  return {
    // What is wrong with them was said where the options were checked.
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
      'tokens that the provider made for other services are let in, too: say which audience is meant';
    warn('audience', text);
  }
  if (jwks.startsWith('http:') && !loopback.test(jwks)) {
    warn('jwks', 'keys that come by http:// can be replaced on their way: use https://');
  }
}
