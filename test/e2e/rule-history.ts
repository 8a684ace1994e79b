// RuleHistory: the rules over time, so that each response can be checked against the rules that it may have met.

/** A rule from when it is requested until the next one is active. */
interface Version {
  /** What responses say under it. */
  readonly says: string;
  readonly askedAt: number;
  /** When the change was answered; undefined: not yet. */
  answeredAt: number | undefined;
}

/** The versions of some rules, by name. Times are of `performance.now()`. */
export class RuleHistory {
  private readonly rules = new Map<string, Version[]>();

  /** The number of answered changes. */
  get changes(): number {
    return [...this.rules.values()].reduce((sum, versions) => sum + versions.length - 1, 0);
  }

  /** Sets the initial version of a rule. */
  begin(rule: string, says: string): void {
    this.rules.set(rule, [{ says, askedAt: Number.NEGATIVE_INFINITY, answeredAt: Number.NEGATIVE_INFINITY }]);
  }

  /** Changes several rules at once by a call that resolves with its answer. */
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

  /** Returns what is wrong with a response to a request of this rule between two times; undefined: nothing. */
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
