// Authority: a certificate authority with ACME (RFC 8555): the account with it, and orders.
import type { Clock } from '../../core/time/clock.ts';
import { acme, calling } from './acme-library.ts';
import { pause } from './pause.ts';
import { AcmeProblem, problemOf } from './problem.ts';
import type { Transport } from './transport.ts';

/** How long an authority may take for asynchronous work, such as checking a challenge, ms. */
const patience = 3 * 60_000;
/** The interval of polls, ms: the first and the longest. */
const firstPoll = 250;
const slowestPoll = 10_000;

/** The collaborators of an authority. */
export interface AuthorityOptions {
  readonly directory: string;
  /** PEM. */
  readonly accountKey: string;
  readonly email: string;
  readonly externalAccount?: { readonly keyId: string; readonly hmacKey: string } | undefined;
  readonly transport: Transport;
  readonly clock: Clock;
  /** Aborts pending requests. */
  readonly signal: AbortSignal;
}

/** An order. */
export interface Order {
  readonly names: readonly string[];
  readonly keyType: 'ecdsa' | 'rsa';
  /** The id of the certificate to renew, if the authority wants it. */
  readonly replaces: string | undefined;
  /** Publishes these answers to challenges, by token, and no others; resolves once every worker and node has them. */
  answer(answers: Readonly<Record<string, string>>): Promise<void>;
}

/** The result of an order, PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

type Client = InstanceType<typeof acme.Client>;
type PlacedOrder = Awaited<ReturnType<Client['createOrder']>>;
type Authorization = Awaited<ReturnType<Client['getAuthorizations']>>[number];

/** A key for an account, PEM. */
export async function makeAccountKey(): Promise<string> {
  return (await acme.crypto.createPrivateEcdsaKey('P-256')).toString();
}

/** One authority. */
export class Authority {
  private readonly options: AuthorityOptions;
  private client: Client;
  private hasAccount = false;

  constructor(options: AuthorityOptions) {
    this.options = options;
    this.client = clientOf(options);
  }

  /** Orders a certificate. Rejects with an {@link AcmeProblem} for what the authority refuses. */
  async issue(order: Order): Promise<Issued> {
    try {
      return await calling(this.options, async () => {
        await this.ensureAccount();
        return await this.place(order);
      });
    } catch (thrown) {
      if (thrown instanceof AcmeProblem && thrown.type === 'accountDoesNotExist') {
        // The authority has forgotten the account; the next attempt creates another one, which the library would not do.
        this.client = clientOf(this.options);
        this.hasAccount = false;
      }
      throw thrown;
    }
  }

  /** An existing account with this key is reused. */
  private async ensureAccount(): Promise<void> {
    if (this.hasAccount) return;
    const contact = [`mailto:${this.options.email}`];
    await this.client.createAccount({ termsOfServiceAgreed: true, contact });
    this.hasAccount = true;
  }

  private async place({ names, keyType, replaces, answer }: Order): Promise<Issued> {
    const order = await this.create(names, replaces);
    const authorizations = await this.client.getAuthorizations(order);
    const unproven = authorizations.filter(({ status }) => status !== 'valid');
    if (unproven.length > 0) await this.prove(order, unproven, answer);
    const key = await (keyType === 'rsa'
      ? acme.crypto.createPrivateRsaKey(2048)
      : acme.crypto.createPrivateEcdsaKey('P-256'));
    const [, csr] = await acme.crypto.createCsr({ altNames: [...names] }, key);
    let made = await this.client.finalizeOrder(order, csr);
    await this.poll(`the order for ${names.join(', ')}`, async () => {
      if (made.status === 'processing') made = await this.client.getOrder(order);
      return made.status !== 'processing';
    });
    if (made.status !== 'valid') {
      throw problemOf(made.error, { detail: `the order ended as ${made.status}`, domain: names[0] });
    }
    return { cert: await this.client.getCertificate(made), key: key.toString() };
  }

  private async create(names: readonly string[], replaces: string | undefined): Promise<PlacedOrder> {
    const identifiers = names.map(value => ({ type: 'dns', value }));
    if (replaces === undefined) return await this.client.createOrder({ identifiers });
    try {
      // RFC 9773 section 5, which the library's types lack.
      const request = { identifiers, replaces };
      return await this.client.createOrder(request);
    } catch (thrown) {
      // Another order may already have replaced it.
      if (
        !(thrown instanceof AcmeProblem) ||
        ['rateLimited', 'unreachable', 'serverInternal'].includes(thrown.type)
      )
        throw thrown;
      return await this.client.createOrder({ identifiers });
    }
  }

  /** Proves control of the names. */
  private async prove(
    order: PlacedOrder,
    unproven: readonly Authorization[],
    answer: Order['answer'],
  ): Promise<void> {
    const challenges = unproven.map(challengeOf);
    const answers: Record<string, string> = {};
    for (const challenge of challenges) {
      answers[challenge.token] = await this.client.getChallengeKeyAuthorization(challenge);
    }
    await answer(answers);
    try {
      for (const challenge of challenges) {
        if (challenge.status === 'pending') await this.client.completeChallenge(challenge);
      }
      await this.poll('the challenges', async () => {
        const now = await this.client.getAuthorizations(order);
        for (const authorization of now) refuseInvalid(authorization);
        return now.every(({ status }) => status === 'valid');
      });
    } finally {
      await answer({});
    }
  }

  /** Polls until it is done, ever more slowly. */
  private async poll(what: string, isDone: () => Promise<boolean>): Promise<void> {
    const { clock, signal } = this.options;
    const deadline = clock.monotonic() + patience;
    for (let wait = firstPoll; !(await isDone()); wait = Math.min(slowestPoll, wait * 2)) {
      if (clock.monotonic() > deadline || signal.aborted) {
        const detail = `the authority did not decide on ${what} within ${patience / 1000} s`;
        throw new AcmeProblem({ type: 'undecided', detail });
      }
      await pause(wait, clock, signal);
    }
  }
}

function clientOf({ directory, accountKey, externalAccount }: AuthorityOptions): Client {
  return new acme.Client({
    directoryUrl: directory,
    accountKey,
    ...(externalAccount && {
      externalAccountBinding: { kid: externalAccount.keyId, hmacKey: externalAccount.hmacKey },
    }),
  });
}

function challengeOf({ identifier, challenges }: Authorization) {
  const challenge = challenges.find(({ type }) => type === 'http-01');
  if (challenge !== undefined) return challenge;
  const detail = `the authority does not offer http-01 for ${identifier.value}`;
  throw new AcmeProblem({ type: 'unsupported', detail, domain: identifier.value });
}

function refuseInvalid({ identifier, status, challenges }: Authorization): void {
  if (status === 'valid' || status === 'pending') return;
  const failed = challenges.find(({ error }) => error !== undefined);
  throw problemOf(failed?.error, {
    detail: `the authorization of ${identifier.value} is ${status}`,
    domain: identifier.value,
  });
}
