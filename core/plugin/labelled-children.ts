// LabelledChildren: the children of one metric by their label values. There may only be so many.

/** What the labels of the child say which stands for all children over the limit. */
export const otherValue = 'other';

/** One child for each set of label values, and one for all of those over the limit. */
export class LabelledChildren<Child> {
  /** How often a child was asked for that is not there because of the limit. */
  overLimit = 0;
  /** How many there may be, besides the one for `other`. */
  max: number;
  private readonly make: (values: readonly string[]) => Child;
  private readonly byKey = new Map<string, Child>();

  constructor(max: number, make: (values: readonly string[]) => Child) {
    this.max = max;
    this.make = make;
  }

  /** The child with these values, or the one for `other`. */
  of(values: readonly string[]): Child {
    const known = this.byKey.get(keyOf(values));
    if (known !== undefined) return known;
    if (this.byKey.size < this.max) return this.add(values.map(ownCopy));
    this.overLimit++;
    const other = values.map(() => otherValue);
    return this.byKey.get(keyOf(other)) ?? this.add(other);
  }

  /** The child with these values, if there is one. */
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

/** No two sets of values have the same key, whatever is in them. */
export function keyOf(values: readonly string[]): string {
  const [only] = values;
  if (values.length === 1 && only !== undefined) return only;
  let key = '';
  for (const value of values) key += `${value.length}:${value}`;
  return key;
}

/** A value is often a part of a request's head, all of which it would keep in memory. */
function ownCopy(value: string): string {
  return Buffer.from(value, 'utf16le').toString('utf16le');
}
