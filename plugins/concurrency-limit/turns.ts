// Turns: which requests may be served now and which wait for a turn, by key.

/** The result of asking for a turn. */
export type Admission = 'now' | 'waits' | 'full';

/** One request that has a turn or waits for one; made by the caller. */
export interface Turn {
  readonly key: string;
  /** Called when its turn comes after a wait. */
  granted(): void;
}

/** What would happen to a request that asked now, and how many there are with its key. */
export interface Outlook {
  readonly admission: Admission;
  readonly active: number;
  readonly waiting: number;
}

interface Line {
  active: number;
  /** In order of arrival. */
  readonly waiting: Set<Turn>;
}

/**
 * Gives at most `max` turns at once for each key; later requests queue, first come, first served. A key is kept only while a
 * request with it has a turn or waits.
 */
export class Turns {
  private readonly max: number;
  private readonly queue: number;
  private readonly total: number;
  private readonly lines = new Map<string, Line>();
  private waitingInAll = 0;

  /**
   * @param queue requests that may wait for each key
   * @param total requests that may wait for all keys together
   */
  constructor(max: number, queue: number, total: number) {
    this.max = max;
    this.queue = queue;
    this.total = total;
  }

  get waiting(): number {
    return this.waitingInAll;
  }

  /** The number of keys with a turn taken. */
  get keys(): number {
    return this.lines.size;
  }

  take(turn: Turn): Admission {
    const line = this.lines.get(turn.key);
    const admission = this.admissionTo(line);
    if (line === undefined) {
      this.lines.set(turn.key, { active: 1, waiting: new Set() });
    } else if (admission === 'now') {
      line.active++;
    } else if (admission === 'waits') {
      line.waiting.add(turn);
      this.waitingInAll++;
    }
    return admission;
  }

  /** Returns what {@link take} would, without changing anything. */
  outlook(key: string): Outlook {
    const line = this.lines.get(key);
    const { active = 0, waiting } = line ?? {};
    return { admission: this.admissionTo(line), active, waiting: waiting?.size ?? 0 };
  }

  /** Gives a turn back, or leaves the queue; call it once for each that was not `full`. */
  leave(turn: Turn): void {
    const line = this.lines.get(turn.key);
    if (line === undefined) return;
    if (line.waiting.delete(turn)) {
      this.waitingInAll--;
      return;
    }
    const [next] = line.waiting;
    if (next !== undefined) {
      line.waiting.delete(next);
      this.waitingInAll--;
      next.granted();
      return;
    }
    line.active--;
    if (line.active === 0) this.lines.delete(turn.key);
  }

  private admissionTo(line: Line | undefined): Admission {
    if (line === undefined || line.active < this.max) return 'now';
    return line.waiting.size >= this.queue || this.waitingInAll >= this.total ? 'full' : 'waits';
  }
}
