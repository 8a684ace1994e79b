// The worker side of jwt: checks the token of each request. Loaded only by workers that check tokens.
import type { Counter, Metrics } from '../../core/plugin/metrics.ts';
import type { WorkerSide } from '../../core/plugin/plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { ContextSlot } from '../../core/request/context-slot.ts';
import { deleteField } from '../../core/request/field-aliases.ts';
import type { Reply } from '../../core/request/reply.ts';
import { findToken, removeToken } from './bearer-token.ts';
import type { KeysTold, KeysWanted } from './key-line.ts';
import { FetchedKeys, FixedKeys, type KeySource } from './key-source.ts';
import type { Parsed, TokenPlace } from './options.ts';
import { Refusals } from './refusals.ts';
import { TokenChecks, type Verdict } from './token-checks.ts';
import { type Claims, fieldOf, hasScopes, missedClaim } from './token-claims.ts';
import type { CheckingKeys, VerificationOptions } from './verification.ts';

/** A signed token has three parts of base64url, none of them empty (RFC 7515 section 7.1); an encrypted one has five. */
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const malformed: Verdict = { refused: 'the token is malformed' };

/** How tokens are checked. */
export interface TokenRules {
  readonly options: Parsed;
  /** Undefined: the keys that the manager fetches. */
  readonly keys: CheckingKeys | undefined;
  readonly verification: VerificationOptions;
  /** Receives the claims of each request. */
  readonly slot: ContextSlot<Claims>;
}

type Side = WorkerSide<KeysWanted, KeysTold>;

/** Checks each request. */
export function checkTokens(side: Side, rules: TokenRules): void {
  const { hooks, clock, onClose, metrics } = side;
  const keys = keySourceOf(side, rules);
  onClose(() => keys.close());
  const { options, verification } = rules;
  const checks = new TokenChecks({ keys, verification, clock, remember: options.remember });
  const gate = new TokenGate(rules, checks, metrics);
  hooks.request.tapAsync('jwt', (ctx, done) => gate.look(ctx, done));
}

type Done = (thrown: null, answer?: Reply) => void;

/** Decides about requests by their tokens. */
class TokenGate {
  private readonly rules: TokenRules;
  private readonly checks: TokenChecks;
  private readonly refusals: Refusals;
  private readonly places: readonly TokenPlace[];
  private readonly told: readonly (readonly [field: string, claim: string])[];
  private readonly admitted: Counter;
  private readonly refused: Counter;
  private readonly failed: Counter;

  constructor(rules: TokenRules, checks: TokenChecks, metrics: Metrics) {
    const { realm, scopes, from, forwardClaims } = rules.options;
    this.rules = rules;
    this.checks = checks;
    this.refusals = new Refusals(realm, scopes);
    this.places = [from].flat();
    this.told = Object.entries(forwardClaims);
    const results = metrics.counter({
      name: 'jwt_total',
      help: 'Requests by the result of their token check.',
      labels: ['result'],
    });
    this.admitted = results.labels('admitted');
    this.refused = results.labels('refused');
    this.failed = results.labels('failed');
  }

  look(ctx: ProxyContext, done: Done): void {
    const { maxToken, optional } = this.rules.options;
    // Also for a request without a token: servers trust these fields.
    for (const [field] of this.told) deleteField(ctx.outgoing.headers, field);
    const found = findToken(ctx, this.places);
    if (found === 'none' && optional) {
      done(null);
    } else if (found === 'none' || found === 'several') {
      count(ctx, this.refused);
      ctx.note(`jwt: ${found === 'none' ? 'there is no token' : 'there is more than one token'}`);
      done(null, found === 'none' ? this.refusals.noToken : this.refusals.several);
    } else if (found.token.length > maxToken || !compact.test(found.token)) {
      done(null, this.answerTo(ctx, malformed));
    } else if (ctx.rehearsal) {
      void this.checks.foresee(found.token).then(verdict => done(null, this.answerTo(ctx, verdict)));
    } else {
      const leave = this.checks.check(found.token, verdict => done(null, this.answerTo(ctx, verdict)));
      if (leave !== undefined) ctx.signal.addEventListener('abort', leave, { once: true });
    }
  }

  private answerTo(ctx: ProxyContext, verdict: Verdict): Reply | undefined {
    if ('failed' in verdict) {
      count(ctx, this.failed);
      ctx.note(`jwt: ${verdict.failed}`);
      return this.refusals.unavailable;
    }
    if ('refused' in verdict) {
      count(ctx, this.refused);
      ctx.note(`jwt: ${verdict.refused}`);
      return this.refusals.invalid(verdict.refused);
    }
    const { claims } = verdict;
    const { claims: wanted, scopes } = this.rules.options;
    const missed = missedClaim(claims, wanted);
    if (missed !== undefined || !hasScopes(claims, scopes)) {
      count(ctx, this.refused);
      ctx.note(
        `jwt: ${missed === undefined ? 'a scope is missing' : `the claim ${missed} has no accepted value`}`,
      );
      return this.refusals.insufficient;
    }
    count(ctx, this.admitted);
    this.admit(ctx, claims);
    return undefined;
  }

  private admit(ctx: ProxyContext, claims: Claims): void {
    if (!this.rules.options.forward) removeToken(ctx, this.places);
    for (const [field, claim] of this.told) {
      const value = fieldOf(claims, claim);
      if (value !== undefined) ctx.outgoing.headers.set(field, value);
    }
    ctx.set(this.rules.slot, claims);
    if (typeof claims['sub'] === 'string') ctx.note(`jwt: sub ${claims['sub']}`);
  }
}

/** Counts a request, unless it is only explained. */
function count(ctx: ProxyContext, counter: Counter): void {
  if (!ctx.rehearsal) counter.inc();
}

function keySourceOf({ channel: manager, clock }: Side, { keys: fixed, options }: TokenRules): KeySource {
  if (fixed !== undefined) return new FixedKeys(fixed);
  const { jwks, timeout } = options;
  const url = typeof jwks === 'string' ? jwks : '';
  const keys = new FetchedKeys({ url, clock, timeout, ask: message => manager.send(message) });
  manager.onMessage(message => keys.hear(message));
  return keys;
}
