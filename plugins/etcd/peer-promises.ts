// PeerPromises: this node's promises to others not to stand for a while, and the proof that a question for one is genuine and new.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../core/time/clock.ts';
import { longestPromise } from './failsafe-list.ts';

// A challenge is answered at once, or with the next renewal. ms.
const challengeLife = 2000;
/** The number of nodes that may ask here, each of which knows the secret. */
const maxAskers = 64;

const text = z.string().max(200);

/** A question: the node `from`, which leads with the create revision `session`, asks for a promise of `ms`. */
export const question = z.strictObject({
  from: text,
  to: text,
  session: z.int().nonnegative(),
  ms: z.int().positive().max(longestPromise),
  /** The challenge in the last answer of the node asked; empty at first. */
  challenge: text,
  /** Random text, which ties an answer to this question. */
  nonce: text,
  mac: text,
});

/** An answer to a question. */
export const answer = z.strictObject({
  verdict: z.literal(['promised', 'refused', 'again']),
  /** Why it was refused. */
  reason: text,
  challenge: text,
  mac: text,
});

export type Question = z.output<typeof question>;
export type Answer = z.output<typeof answer>;

/** Returns a question with the proof that the node knows the secret. */
export function askWith(secret: string, prefix: string, words: Omit<Question, 'mac'>): Question {
  return { ...words, mac: proofOfQuestion(secret, prefix, words) };
}

/** Returns whether this is a genuine answer to this question. */
export function isAnswerTo(secret: string, prefix: string, asked: Question, given: Answer): boolean {
  return isEqual(given.mac, proofOfAnswer(secret, prefix, asked, given));
}

/** What a {@link PeerPromises} is made of. */
export interface PeerPromisesOptions {
  readonly secret: string;
  /** The prefix of the cluster's keys: two clusters may have the same secret. */
  readonly prefix: string;
  readonly nodeName: string;
  readonly clock: Clock;
  /** Returns why this node does not promise now; undefined: it does. */
  objection(session: number): string | undefined;
}

/** The promises of this node. */
export class PeerPromises {
  private readonly options: PeerPromisesOptions;
  private readonly key = randomBytes(32);
  private readonly lastUsed = new Map<string, number>();
  private until = Number.NEGATIVE_INFINITY;
  private promisedTo = '';
  private challenges = 0;

  constructor(options: PeerPromisesOptions) {
    this.options = options;
  }

  /** The node that this one has promised not to stand; undefined: none. */
  get holder(): string | undefined {
    return this.options.clock.monotonic() < this.until ? this.promisedTo : undefined;
  }

  /** Returns the answer; undefined: the question gets none, because its sender does not know the secret. */
  take(asked: Question): Answer | undefined {
    const { secret, prefix, nodeName } = this.options;
    if (asked.to !== nodeName || asked.from === nodeName) return undefined;
    if (!isEqual(asked.mac, proofOfQuestion(secret, prefix, asked))) return undefined;
    const words = { ...this.verdict(asked), challenge: this.newChallenge(asked.from) };
    return { ...words, mac: proofOfAnswer(secret, prefix, asked, words) };
  }

  private verdict(asked: Question): Pick<Answer, 'verdict' | 'reason'> {
    const { clock, objection } = this.options;
    // A replayed question gets no second promise, nor a late one.
    if (!this.useUp(asked.challenge, asked.from)) return { verdict: 'again', reason: '' };
    const reason = objection(asked.session);
    if (reason !== undefined) return { verdict: 'refused', reason: reason.slice(0, 200) };
    this.until = Math.max(this.until, clock.monotonic() + asked.ms);
    this.promisedTo = asked.from;
    return { verdict: 'promised', reason: '' };
  }

  /** Returns a challenge that names its time, so that unused ones need not be kept. */
  private newChallenge(from: string): string {
    const made = Math.floor(this.options.clock.monotonic());
    const number = ++this.challenges;
    return `${made}.${number}.${this.seal(made, number, from)}`;
  }

  private useUp(challenge: string, from: string): boolean {
    const [made = Number.NaN, number = Number.NaN] = challenge.split('.').map(Number);
    if (!Number.isSafeInteger(made) || !Number.isSafeInteger(number)) return false;
    if (!isEqual(challenge, `${made}.${number}.${this.seal(made, number, from)}`)) return false;
    if (this.options.clock.monotonic() - made > challengeLife) return false;
    if (number <= (this.lastUsed.get(from) ?? 0)) return false;
    if (!this.lastUsed.has(from) && this.lastUsed.size >= maxAskers) return false;
    this.lastUsed.set(from, number);
    return true;
  }

  private seal(made: number, number: number, from: string): string {
    return createHmac('sha256', this.key).update(`${made}.${number}.${from}`).digest('base64url');
  }
}

function proofOfQuestion(secret: string, prefix: string, words: Omit<Question, 'mac'>): string {
  const { from, to, session, ms, challenge, nonce } = words;
  return proof(secret, ['weldr failsafe question', prefix, from, to, session, ms, challenge, nonce]);
}

function proofOfAnswer(secret: string, prefix: string, asked: Question, words: Omit<Answer, 'mac'>): string {
  const { verdict, reason, challenge } = words;
  return proof(secret, ['weldr failsafe answer', prefix, asked.mac, verdict, reason, challenge]);
}

function proof(secret: string, words: readonly (string | number)[]): string {
  return createHmac('sha256', secret).update(JSON.stringify(words)).digest('base64url');
}

function isEqual(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
