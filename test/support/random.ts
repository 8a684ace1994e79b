// Random numbers that a test can repeat.
import { seeded, seededBits } from '../../core/testing/seeded.ts';

/** Returns a source of whole numbers from 0 up to n, which are the same for the same seed. */
export function randomOf(seed: number): (n: number) => number {
  const bits = seededBits(seed);
  return n => bits() % n;
}

/** A source of random numbers, which are the same for the same seed. */
export class Random {
  /** Returns a number from 0 up to 1. */
  readonly next: () => number;

  constructor(seed: number) {
    this.next = seeded(seed);
  }

  /** Returns a whole number from 0 up to `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** Returns an item of a list that is not empty. */
  of<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new Error('an empty list');
    return item;
  }
}
