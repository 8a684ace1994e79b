// The channel between the two sides in a test: messages arrive later, in order, as JSON, as between processes.

/** Calls `deliver` with a copy of the message, after the sender has returned. */
export function sendLater(message: unknown, deliver: (copy: unknown) => void): void {
  const text = JSON.stringify(message);
  queueMicrotask(() => deliver(text === undefined ? undefined : JSON.parse(text)));
}

/** A copy of a value, as JSON carries it to another process. */
export function throughJson<T>(value: T): T {
  return value === undefined ? value : JSON.parse(JSON.stringify(value));
}
