// Random numbers that a test can repeat.
import { seeded, seededBits } from '../../core/testing/seeded.ts';

/** Whole numbers from 0 up to n, the same for the same seed. */
export function randomOf(seed: number): (n: number) => number {
  const bits = seededBits(seed);
  return n => bits() % n;
}

/** A source of numbers; the same seed gives the same ones. */
export class Random {
  /** A number from 0 up to 1. */
  readonly next: () => number;

  constructor(seed: number) {
    this.next = seeded(seed);
  }

  /** A whole number from 0 up to `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** One of a list that is not empty. */
  of<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new Error('an empty list');
    return item;
  }
}
