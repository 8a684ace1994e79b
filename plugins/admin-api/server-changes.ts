// ServerChanges: what all servers do, for those who follow: all of it first, then in each step only what has changed. It is put
// together once a step, however many follow, and not at all where nobody does.

/** One server, as JSON. */
export interface ServerText {
  readonly pool: string;
  readonly id: string;
  readonly text: string;
}

/** What a follower is sent, and with which step it goes on. */
export interface ServersSent {
  readonly step: number;
  readonly text: string;
}

interface Made {
  readonly step: number;
  /** By pool and id. */
  readonly byKey: ReadonlyMap<string, ServerText>;
  readonly whole: string;
  /** Undefined where nobody followed one step before. */
  readonly changes: string | undefined;
}

const keyOf = ({ pool, id }: ServerText): string => `${pool} ${id}`;

/** All servers, step by step. */
export class ServerChanges {
  private readonly read: () => Iterable<ServerText>;
  private readonly now: () => number;
  private step = 1;
  private made: Made | undefined = undefined;

  /** `read`: all servers as they are; `now`: ms since the epoch. */
  constructor(read: () => Iterable<ServerText>, now: () => number) {
    this.read = read;
    this.now = now;
  }

  /** A step is over. */
  next(): void {
    // Nobody asked in it.
    if (this.made !== undefined && this.made.step < this.step) this.made = undefined;
    this.step++;
  }

  /** What is new for a follower who was sent this step last; 0: none yet. Undefined: nothing. */
  after(step: number): ServersSent | undefined {
    if (step === this.step) return undefined;
    const made = this.current();
    const text = step === made.step - 1 ? made.changes : undefined;
    return { step: made.step, text: text ?? made.whole };
  }

  private current(): Made {
    const { made: before, step } = this;
    if (before?.step === step) return before;
    const byKey = new Map<string, ServerText>();
    const changed: string[] = [];
    for (const server of this.read()) {
      const key = keyOf(server);
      byKey.set(key, server);
      if (before?.byKey.get(key)?.text !== server.text) changed.push(server.text);
    }
    const gone = [...(before?.byKey ?? [])].flatMap(([key, { pool, id }]) =>
      byKey.has(key) ? [] : [{ pool, id }],
    );
    const at = this.now();
    const all = Array.from(byKey.values(), ({ text }) => text);
    this.made = {
      step,
      byKey,
      whole: textOf(at, true, all, []),
      changes: before === undefined ? undefined : textOf(at, false, changed, gone),
    };
    return this.made;
  }
}

function textOf(at: number, whole: boolean, servers: readonly string[], gone: readonly object[]): string {
  const left = gone.length === 0 ? '' : `,"gone":${JSON.stringify(gone)}`;
  return `{"at":${at},"pool":"*","whole":${whole},"servers":[${servers.join(',')}]${left}}`;
}
