// ServerChanges: the state of all servers for followers: first all of it, then in each step only the changes. It is built
// once per step for any number of followers, and never without followers.

/** One server, as JSON. */
export interface ServerText {
  readonly pool: string;
  readonly id: string;
  readonly text: string;
}

/** What is sent to a follower, and the step from which it continues. */
export interface ServersSent {
  readonly step: number;
  readonly text: string;
}

interface Made {
  readonly step: number;
  /** By pool and id. */
  readonly byKey: ReadonlyMap<string, ServerText>;
  readonly whole: string;
  /** Undefined if there was no follower one step before. */
  readonly changes: string | undefined;
}

const keyOf = ({ pool, id }: ServerText): string => `${pool} ${id}`;

/** All servers, step by step. */
export class ServerChanges {
  private readonly read: () => Iterable<ServerText>;
  private readonly now: () => number;
  private step = 1;
  private made: Made | undefined = undefined;

  /** @param read returns all servers as they are. @param now returns ms since the epoch */
  constructor(read: () => Iterable<ServerText>, now: () => number) {
    this.read = read;
    this.now = now;
  }

  /** Ends a step. */
  next(): void {
    // It was not asked for in this step.
    if (this.made !== undefined && this.made.step < this.step) this.made = undefined;
    this.step++;
  }

  /** Returns what is new for a follower whose last step was `step`; 0: none yet. Undefined: nothing is new. */
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
