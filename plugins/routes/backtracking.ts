// Backtracking: detects regular expressions that could take forever. Those with nested repetition, such as (a+)+, try
// exponentially many ways to split a text that does not match.

/** The most characters of an expression. */
const maxLength = 1024;

/** Returns why an expression is refused, with the remedy; undefined: it is not. */
export function backtrackingProblem(expression: RegExp): string | undefined {
  const { source } = expression;
  if (source.length > maxLength)
    return `a regular expression is longer than ${maxLength} characters: write a shorter one`;
  const what = new Reading(expression).risk();
  if (what === undefined) return undefined;
  return `the expression ${String(expression)} ${what}, which can take forever on a text that does not match: rewrite it without that`;
}

/** A group that is being read, or the whole. */
interface Group {
  readonly isLookaround: boolean;
  /** The first atom of each alternative; undefined: it is not a single character. */
  readonly beginnings: (string | undefined)[];
  /** Everything else that it matches. */
  readonly atoms: string[];
  /** Whether it contains repetition or optional parts, so that its text has no fixed length. */
  varies: boolean;
  isAtBeginning: boolean;
  /** Whether the last atom read is the first of an alternative. */
  lastIsBeginning: boolean;
}

const anything = '[^]';

class Reading {
  private readonly source: string;
  private readonly flags: string;
  private readonly groups: Group[] = [newGroup('(')];
  /** The group that has just ended. */
  private ended: Group | undefined = undefined;

  constructor({ source, flags }: RegExp) {
    this.source = source;
    this.flags = flags.includes('i') ? 'i' : '';
  }

  risk(): string | undefined {
    for (const [token] of this.source.matchAll(tokens)) {
      const ended = this.ended;
      this.ended = undefined;
      const group = this.groups.at(-1) ?? newGroup('(');
      if (isQuantifier.test(token)) {
        const risk = ended !== undefined && repeatsOften(token) ? this.riskOfRepeating(ended) : undefined;
        if (risk !== undefined) return risk;
        quantify(group, token);
      } else if (/^\\(?:[1-9]|k<)/.test(token)) return 'refers back to a group';
      else if (token.startsWith('(')) this.groups.push(newGroup(token));
      else if (token === ')') this.end();
      else if (token === '|') group.isAtBeginning = true;
      else if (!isAssertion.test(token)) addAtom(group, token);
    }
    return undefined;
  }

  private end(): void {
    const ended = this.groups.pop();
    const outer = this.groups.at(-1);
    if (ended === undefined || outer === undefined || ended.isLookaround) return;
    this.ended = ended;
    if (outer.isAtBeginning) outer.beginnings.push(undefined);
    outer.lastIsBeginning = false;
    outer.isAtBeginning = false;
    outer.atoms.push(...ended.beginnings.map(atom => atom ?? anything), ...ended.atoms);
    outer.varies ||= ended.varies || ended.beginnings.length > 1;
  }

  /** There is no risk if each round of the repetition begins with a character that nothing else in it matches. */
  private riskOfRepeating({ beginnings, atoms, varies }: Group): string | undefined {
    if (!varies && beginnings.length < 2) return undefined;
    const what = varies
      ? 'repeats a group in which something repeats'
      : 'repeats alternatives that begin alike';
    const known = beginnings.filter(atom => atom !== undefined);
    if (known.length < beginnings.length) return what;
    const inner = varies ? atoms : [];
    const clash = known.some((atom, i) =>
      [...known.slice(i + 1), ...inner].some(other => this.matches(other, atom)),
    );
    return clash ? what : undefined;
  }

  private matches(atom: string, literal: string): boolean {
    const char = literal.length === 1 ? literal : literal.slice(1);
    try {
      return new RegExp(`^(?:${atom})$`, this.flags).test(char);
    } catch {
      return true;
    }
  }
}

function newGroup(opening: string): Group {
  return {
    isLookaround: /^\(\?<?[=!]/.test(opening),
    beginnings: [],
    atoms: [],
    varies: false,
    isAtBeginning: true,
    lastIsBeginning: false,
  };
}

function addAtom(group: Group, token: string): void {
  if (!group.isAtBeginning) group.atoms.push(token);
  else group.beginnings.push(isLiteral.test(token) ? token : undefined);
  group.lastIsBeginning = group.isAtBeginning;
  group.isAtBeginning = false;
}

function quantify(group: Group, quantifier: string): void {
  if (/^\{\d+\}\??$/.test(quantifier)) return;
  group.varies = true;
  // A repeated atom at the start of an alternative is not a single character.
  if (group.lastIsBeginning) group.beginnings[group.beginnings.length - 1] = undefined;
}

/** An escape, a class, the start of a group, a quantifier or a character. */
const tokens =
  /\\(?:k<[^>]*>|[pP]\{[^}]*\}|u\{[^}]*\}|u[\dA-Fa-f]{4}|x[\dA-Fa-f]{2}|c[A-Za-z]|[\s\S])|\[(?:\\[\s\S]|[^\]\\])*\]|\((?:\?(?:<[A-Za-z_$][\w$]*>|<?[=!]|[a-z-]*:))?|(?:[*+?]|\{\d+(?:,\d*)?\})\??|[\s\S]/g;

const isQuantifier = /^(?:[*+?]|\{\d+(?:,\d*)?\})\??$/;
const isAssertion = /^(?:[$^]|\\[bB])$/;
/** A plain or escaped character. */
const isLiteral = /^(?:[^\\.[]|\\[^a-zA-Z\d])$/;

/** Returns whether the quantifier allows more than a few repetitions. */
function repeatsOften(quantifier: string): boolean {
  const counts = /^\{(\d+)(?:(,)(\d*))?\}/.exec(quantifier);
  if (counts === null) return !quantifier.startsWith('?');
  const [, least, comma, most] = counts;
  return (comma !== undefined && most === '') || Number(most ?? least) > 10;
}
