// RuleHistory: what rules said when, so that each response can be held against the rules that it may have met.

/** What a rule says from when it is asked for until the next one is in force. */
interface Version {
  /** What responses tell of it. */
  readonly says: string;
  readonly askedAt: number;
  /** When the change was answered; undefined: not yet. */
  answeredAt: number | undefined;
}

/** The versions of some rules, by name. Times are of `performance.now()`. */
export class RuleHistory {
  private readonly rules = new Map<string, Version[]>();

  /** How many changes were answered. */
  get changes(): number {
    return [...this.rules.values()].reduce((sum, versions) => sum + versions.length - 1, 0);
  }

  /** Says what a rule says from the start. */
  begin(rule: string, says: string): void {
    this.rules.set(rule, [{ says, askedAt: Number.NEGATIVE_INFINITY, answeredAt: Number.NEGATIVE_INFINITY }]);
  }

  /** Makes one change of several rules, which then say this, by a call that resolves with its answer. */
  async change<T>(rules: Readonly<Record<string, string>>, call: () => Promise<T>): Promise<T> {
    const askedAt = performance.now();
    const versions = Object.entries(rules).map(([rule, says]): Version => {
      const version: Version = { says, askedAt, answeredAt: undefined };
      this.of(rule).push(version);
      return version;
    });
    const answer = await call();
    const answeredAt = performance.now();
    for (const version of versions) version.answeredAt = answeredAt;
    return answer;
  }

  /** What is wrong with a response to a request of this rule, from when to when it took; undefined: nothing. */
  problem(rule: string, said: string, sentAt: number, endedAt: number): string | undefined {
    const versions = this.of(rule);
    const from = versions.findLastIndex(({ answeredAt }) => answeredAt !== undefined && answeredAt <= sentAt);
    const possible = versions.filter(({ askedAt }, i) => i >= from && askedAt <= endedAt);
    if (possible.some(({ says }) => says === said)) return undefined;
    const expected = possible.map(({ says }) => says).join(' or ');
    return `${rule} was answered by ${said}, not by ${expected}`;
  }

  private of(rule: string): Version[] {
    const versions = this.rules.get(rule);
    if (versions === undefined) throw new Error(`there is no rule ${rule}`);
    return versions;
  }
}
