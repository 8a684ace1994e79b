// Traces: what workers report to the manager about the requests that operators trace.
import { WeldrError } from '../errors.ts';
import type { Explanation } from '../explain/explanation.ts';
import type { RequestTraces, Traced, TraceInput, TraceReader } from '../explain/trace.ts';
import type { CancelTimer, Clock } from '../time/clock.ts';
import type { ManagerMessage } from './messages.ts';

/** The most traces at a time. */
const mostTraces = 4;
/** How long a trace without a reader continues, ms. */
const patience = 30_000;

/** What {@link Traces} work with. */
export interface TracesOptions {
  readonly clock: Clock;
  /** Sends to all workers. */
  tell(message: ManagerMessage): void;
}

interface Trace {
  readonly wish: TraceInput;
  readonly requests: Explanation[];
  readonly endsAt: number;
  /** Its followers, by the function that each is called with. */
  readonly readers: Set<() => void>;
  isOver: boolean;
  /** Until when it is kept for a reader. */
  keptUntil: number;
}

/** The traces of one manager. */
export class Traces implements RequestTraces {
  private readonly options: TracesOptions;
  private readonly byId = new Map<number, Trace>();
  private last = 0;
  private stopLooking: CancelTimer | undefined = undefined;

  constructor(options: TracesOptions) {
    this.options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.byId.size;
  }

  /** What workers need to know. */
  get message(): ManagerMessage {
    const open = [...this.byId].filter(([, { isOver }]) => !isOver);
    return { type: 'traces', traces: open.map(([id, { wish }]) => ({ ...wish, id })) };
  }

  start(wish: TraceInput): number {
    if (this.byId.size >= mostTraces) {
      throw new WeldrError(
        'LIMIT_REACHED',
        `${mostTraces} traces are under way; end one, or try again in a moment`,
      );
    }
    const now = this.options.clock.monotonic();
    const id = ++this.last;
    const endsAt = now + wish.duration;
    this.byId.set(id, {
      wish,
      requests: [],
      endsAt,
      readers: new Set(),
      isOver: false,
      keptUntil: now + patience,
    });
    this.stopLooking ??= this.options.clock.every(1_000, () => this.look());
    this.options.tell(this.message);
    return id;
  }

  async read(id: number, after: number, waitMs: number): Promise<Traced> {
    const news = Promise.withResolvers<void>();
    const reader = this.follow(id, news.resolve);
    if (reader === undefined) throw new WeldrError('NOT_FOUND', `there is no trace ${id}, or it is over`);
    const cancel = this.options.clock.after(waitMs, news.resolve);
    try {
      const { requests, over } = reader.read(after);
      if (waitMs > 0 && requests.length === 0 && !over) await news.promise;
      return reader.read(after);
    } finally {
      cancel();
      reader.leave();
    }
  }

  follow(id: number, news: () => void): TraceReader | undefined {
    const trace = this.byId.get(id);
    if (trace === undefined) return undefined;
    // A separate function, because the same one may follow twice.
    const told = (): void => news();
    trace.readers.add(told);
    return {
      read(after) {
        const requests = trace.requests.slice(after);
        return { requests, next: after + requests.length, over: trace.isOver };
      },
      leave: () => {
        trace.readers.delete(told);
        trace.keptUntil = this.options.clock.monotonic() + patience;
      },
    };
  }

  end(id: number): boolean {
    const trace = this.byId.get(id);
    if (trace === undefined) return false;
    this.close(trace);
    this.byId.delete(id);
    return true;
  }

  /** Takes a worker's report about a request. */
  take(worker: number, id: number, explanation: Explanation): void {
    const trace = this.byId.get(id);
    if (trace === undefined || trace.isOver) return;
    trace.requests.push({ worker, ...explanation });
    if (trace.requests.length >= trace.wish.count) this.close(trace);
    else tellReaders(trace);
  }

  private close(trace: Trace): void {
    if (trace.isOver) return;
    trace.isOver = true;
    this.options.tell(this.message);
    tellReaders(trace);
  }

  private look(): void {
    const now = this.options.clock.monotonic();
    for (const [id, trace] of this.byId) {
      if (now >= trace.endsAt) this.close(trace);
      if (trace.readers.size === 0 && now >= trace.keptUntil) this.end(id);
    }
    if (this.byId.size > 0) return;
    this.stopLooking?.();
    this.stopLooking = undefined;
  }
}

function tellReaders({ readers }: Trace): void {
  for (const news of [...readers]) news();
}
