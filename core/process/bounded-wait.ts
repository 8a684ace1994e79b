// A wait that ends in time, whatever it waits for.

/** Waits for `work`; false: it takes longer than `ms`. Rejects when `work` does. */
export async function settlesWithin(ms: number, work: Promise<unknown> | undefined): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(late.resolve, ms, false);
  try {
    return await Promise.race([Promise.resolve(work).then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
