// NameLookups: the addresses of upstreams' names. Concurrent look-ups of a name share one query; its answer is cached for a
// while, and for longer while no name server answers.
import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { keepNewest } from '../../bounded/newest.ts';
import type { CancelTimer, Clock } from '../../time/clock.ts';
import { type NameAnswer, NameSources } from './name-sources.ts';

/** An answer is kept for its TTL, within these bounds, ms. */
const leastMs = 1_000;
const mostMs = 30_000;
/** How long a failure is kept, ms. */
const failureMs = 1_000;
/** How long a look-up waits for a new answer before it uses the old one, ms. */
const patienceMs = 200;
/** How long a name's addresses are kept after name servers say that it no longer exists, ms. */
const goneMs = 30_000;
/** How many names are looked up at once; others queue. */
const maxAtOnce = 500;
/** How many names are remembered; beyond this, the least recently used are forgotten. */
const maxNames = 50_000;

type Taker = Parameters<LookupFunction>[2];

/** What is known about one name, and the callbacks that wait for it. */
interface KnownName {
  readonly name: string;
  /** The addresses of the last good answer; empty if there is none. */
  addresses: readonly LookupAddress[];
  /** The error of the last answer, if it was not good. */
  failure: NameFailure | undefined;
  freshUntil: number;
  /** When the addresses are dropped if name servers still say that the name does not exist. */
  goneAt: number;
  /** Which of the addresses comes first next time. */
  turn: number;
  asking: boolean;
  waiting: { readonly taker: Taker; readonly all: boolean }[];
  cancelPatience: CancelTimer | undefined;
}

/** Says why there is no address: `code` is ENOTFOUND or EAI_AGAIN, as with Node's own look-ups. */
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

  /** `sources`: where names are looked up. */
  constructor(clock: Clock, sources: Pick<NameSources, 'ask'> = new NameSources(clock)) {
    this.sources = sources;
    this.clock = clock;
  }

  /** The `lookup` option of `net.connect` and `tls.connect`. The addresses of a name take turns. */
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
    // Moved to the end of the map: it is now the most recently used.
    this.names.delete(name);
    this.names.set(name, known);
    keepNewest(this.names, maxNames);
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

  /** Calls back everything that waits, after the caller has returned. */
  private answer(known: KnownName): void {
    known.cancelPatience?.();
    known.cancelPatience = undefined;
    const { addresses, failure, waiting } = known;
    known.waiting = [];
    // Only addresses of the first family take turns: the other may not be reachable.
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
