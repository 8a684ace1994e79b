// NameLookups: the addresses of upstreams' names. A name is looked up once for everyone who asks, the answer is kept for
// a while, and for longer while no name server answers.
import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { CancelTimer, Clock } from '../../time/clock.ts';
import { type NameAnswer, NameSources } from './name-sources.ts';

/** An answer holds for its TTL, but within these, ms. */
const leastMs = 1_000;
const mostMs = 30_000;
/** How long a failure holds, ms. */
const failureMs = 1_000;
/** How long an old answer waits for the new one, ms. */
const patienceMs = 200;
/** How long the addresses are kept of a name which is said not to exist any more, ms. */
const goneMs = 30_000;
/** Names that are asked for at once; others wait in turn. */
const maxAtOnce = 500;
/** Names that are remembered; over it, those that were used longest ago are forgotten. */
const maxNames = 50_000;

type Taker = Parameters<LookupFunction>[2];

/** One name: what is known of it, and who waits to hear. */
interface KnownName {
  readonly name: string;
  /** Of the last good answer; empty: none. */
  addresses: readonly LookupAddress[];
  /** Of the last answer, if it was not good. */
  failure: NameFailure | undefined;
  freshUntil: number;
  /** When the addresses are given up, if the name is still said not to exist. */
  goneAt: number;
  /** Which of the addresses is next to come first. */
  turn: number;
  asking: boolean;
  waiting: { readonly taker: Taker; readonly all: boolean }[];
  cancelPatience: CancelTimer | undefined;
}

/** Why there is no address: `code` is ENOTFOUND or EAI_AGAIN, as with Node's own look-ups. */
export class NameFailure extends Error {
  readonly code: 'ENOTFOUND' | 'EAI_AGAIN';

  constructor(name: string, answer: Exclude<NameAnswer, { kind: 'found' }>) {
    const isUnknown = answer.kind === 'unknown';
    super(
      isUnknown
        ? `there is no address for the name ${name}`
        : `the name servers gave no answer for ${name} (${answer.why})`,
    );
    this.name = 'NameFailure';
    this.code = isUnknown ? 'ENOTFOUND' : 'EAI_AGAIN';
  }
}

/** The look-ups of one process or worker. */
export class NameLookups {
  private readonly sources: Pick<NameSources, 'ask'>;
  private readonly clock: Clock;
  private readonly names = new Map<string, KnownName>();
  private atOnce = 0;
  private readonly inTurn: KnownName[] = [];

  /** `sources`: who is asked. */
  constructor(clock: Clock, sources: Pick<NameSources, 'ask'> = new NameSources(clock)) {
    this.sources = sources;
    this.clock = clock;
  }

  /** For `lookup` of `net.connect` and `tls.connect`. Addresses of one name take turns. */
  readonly lookup: LookupFunction = (hostname, { all = false }, taker) => {
    const known = this.known(hostname.toLowerCase());
    known.waiting.push({ taker, all });
    if (this.clock.monotonic() < known.freshUntil) {
      this.answer(known);
      return;
    }
    this.ask(known);
    if (known.addresses.length === 0) return;
    if (known.failure !== undefined) this.answer(known);
    else known.cancelPatience ??= this.clock.after(patienceMs, () => this.answer(known));
  };

  private known(name: string): KnownName {
    const known = this.names.get(name) ?? {
      name,
      addresses: [],
      failure: undefined,
      freshUntil: 0,
      goneAt: 0,
      turn: 0,
      asking: false,
      waiting: [],
      cancelPatience: undefined,
    };
    // Last in the map: used last.
    this.names.delete(name);
    this.names.set(name, known);
    if (this.names.size > maxNames) {
      for (const oldest of this.names.keys()) {
        this.names.delete(oldest);
        break;
      }
    }
    return known;
  }

  private ask(known: KnownName): void {
    if (known.asking) return;
    known.asking = true;
    if (this.atOnce >= maxAtOnce) {
      this.inTurn.push(known);
      return;
    }
    this.atOnce++;
    void this.sources.ask(known.name).then(answer => {
      this.atOnce--;
      this.learn(known, answer);
      const next = this.inTurn.shift();
      if (next === undefined) return;
      next.asking = false;
      this.ask(next);
    });
  }

  private learn(known: KnownName, answer: NameAnswer): void {
    const now = this.clock.monotonic();
    known.asking = false;
    if (answer.kind === 'found') {
      known.addresses = answer.addresses;
      known.failure = undefined;
      known.goneAt = 0;
      known.freshUntil = now + Math.min(Math.max(answer.ms, leastMs), mostMs);
    } else {
      known.failure = new NameFailure(known.name, answer);
      known.freshUntil = now + failureMs;
      if (answer.kind === 'unknown') {
        if (known.goneAt === 0) known.goneAt = now + goneMs;
        if (now >= known.goneAt) known.addresses = [];
      }
    }
    this.answer(known);
  }

  /** Answers everyone who waits, once the caller has returned. */
  private answer(known: KnownName): void {
    known.cancelPatience?.();
    known.cancelPatience = undefined;
    const { addresses, failure, waiting } = known;
    known.waiting = [];
    // Only those of the family that comes first take turns: the other may lead nowhere from here.
    const lead = addresses.filter(({ family }) => family === addresses[0]?.family);
    const rest = addresses.slice(lead.length);
    for (const { taker, all } of waiting) {
      const at = known.turn++ % lead.length;
      const first = lead[at];
      if (first === undefined) process.nextTick(taker, failure, '');
      else if (!all) process.nextTick(taker, null, first.address, first.family);
      else process.nextTick(taker, null, [...lead.slice(at), ...lead.slice(0, at), ...rest]);
    }
  }
}
