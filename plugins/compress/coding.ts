// Coding: the content codings that Weldr can produce, and the one that a client prefers (RFC 9110 section 12.5.3).

/** Names of content codings, as in Content-Encoding. */
export const codings = ['zstd', 'br', 'gzip'] as const;

/** One of {@link codings}. */
export type Coding = (typeof codings)[number];

const weight = /^q=(?:(0(?:\.\d{0,3})?)|1(?:\.0{0,3})?)$/i;

/** Returns weights by lower-case name; if a name is repeated, the first one counts. */
function weightsOf(field: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const part of field.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map(text => text.trim());
    const coding = name === 'x-gzip' ? 'gzip' : name;
    if (coding !== '' && !weights.has(coding)) weights.set(coding, weightOf(parameters));
  }
  return weights;
}

/** A weight that cannot be parsed counts as 0. */
function weightOf(parameters: readonly string[]): number {
  if (parameters.length === 0) return 1;
  const match = parameters.length === 1 ? weight.exec(parameters[0] ?? '') : null;
  if (match === null) return 0;
  return match[1] === undefined ? 1 : Number(match[1]);
}

/**
 * Returns the coding of `offered` (best first) that a client prefers; undefined: the body stays as it is. A `*` covers
 * gzip only: clients that send it rarely support the others.
 */
export function codingFor(field: string, offered: readonly Coding[]): Coding | undefined {
  const weights = weightsOf(field);
  const any = weights.get('*') ?? 0;
  let best: Coding | undefined;
  let most = 0;
  for (const coding of offered) {
    const own = weights.get(coding) ?? (coding === 'gzip' ? any : 0);
    if (own > most) {
      best = coding;
      most = own;
    }
  }
  return most >= (weights.get('identity') ?? 0) ? best : undefined;
}

/** The most fields cached with their result: clients send few different ones. */
const maxKept = 256;
const maxKeptLength = 256;

/** Caches the results of {@link codingFor}. */
export class CodingChoice {
  private readonly offered: readonly Coding[];
  private readonly kept = new Map<string, Coding | undefined>();

  constructor(offered: readonly Coding[]) {
    this.offered = offered;
  }

  for(field: string): Coding | undefined {
    if (this.kept.has(field)) return this.kept.get(field);
    const coding = codingFor(field, this.offered);
    if (field.length > maxKeptLength) return coding;
    if (this.kept.size >= maxKept) this.kept.clear();
    this.kept.set(field, coding);
    return coding;
  }
}
