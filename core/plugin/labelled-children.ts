// LabelledChildren: the children of one metric by their label values, up to a limit.

/** The label values of the child that stands for all children over the limit. */
export const otherValue = 'other';

/** One child for each set of label values, and one for all those over the limit. */
export class LabelledChildren<Child> {
  /** How often a child was requested that does not exist because of the limit. */
  overLimit = 0;
  /** How many children there may be, besides the one for `other`. */
  max: number;
  private readonly make: (values: readonly string[]) => Child;
  private readonly byKey = new Map<string, Child>();

  constructor(max: number, make: (values: readonly string[]) => Child) {
    this.max = max;
    this.make = make;
  }

  /** Returns the child with these values, or the one for `other`. */
  of(values: readonly string[]): Child {
    const known = this.byKey.get(keyOf(values));
    if (known !== undefined) return known;
    if (this.byKey.size < this.max) return this.add(values.map(ownCopy));
    this.overLimit++;
    const other = values.map(() => otherValue);
    return this.byKey.get(keyOf(other)) ?? this.add(other);
  }

  /** Returns the child with these values, if there is one. */
  known(values: readonly string[]): Child | undefined {
    return this.byKey.get(keyOf(values));
  }

  delete(values: readonly string[]): void {
    this.byKey.delete(keyOf(values));
  }

  [Symbol.iterator](): IterableIterator<Child> {
    return this.byKey.values();
  }

  private add(values: readonly string[]): Child {
    const made = this.make(values);
    this.byKey.set(keyOf(values), made);
    return made;
  }
}

/** Returns a key that is unique to a set of values, whatever they contain. */
export function keyOf(values: readonly string[]): string {
  const [only] = values;
  if (values.length === 1 && only !== undefined) return only;
  let key = '';
  for (const value of values) key += `${value.length}:${value}`;
  return key;
}

/** Copies a value: it is often part of a request's head and would keep all of it in memory. */
function ownCopy(value: string): string {
  return Buffer.from(value, 'utf16le').toString('utf16le');
}
