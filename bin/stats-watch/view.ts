// The view of `weldr stats --watch` on a terminal.
import type { ReadStream, WriteStream } from 'node:tty';
import type { AdminClient } from '../admin-client.ts';
import { follow } from './follow.ts';
import { drawFrame } from './frame.ts';
import type { Look } from './look.ts';
import { type Order, orders } from './order.ts';
import { Screen } from './screen.ts';

/** Options of `--watch`. */
export interface WatchOptions {
  /** Undefined: as the API lists them. */
  readonly order: Order | undefined;
  readonly intervalMs: number;
}

/** The age of old figures is shown in seconds, so the view is redrawn every second. */
const redrawMs = 1_000;

/** Shows the counts until q is pressed or `stop` aborts. Throws a CommandError if the first look fails. */
export async function showView(
  admin: AdminClient,
  { order: firstOrder, intervalMs }: WatchOptions,
  terminal: {
    readonly output: WriteStream;
    readonly input: ReadStream | undefined;
    readonly stop: AbortController;
  },
): Promise<void> {
  const { output, input, stop } = terminal;
  let order = firstOrder;
  let look: Look | undefined;
  let problem: string | undefined;
  let readAt = new Date();
  let readAtMs = performance.now();

  const draw = () => {
    if (look === undefined) return;
    const ageMs = performance.now() - readAtMs;
    const content = { address: admin.origin, look, ageMs, intervalMs, problem, order };
    const clock = readAt.toTimeString().slice(0, 8);
    screen.draw(drawFrame({ ...content, readAt: clock, hasKeys: input !== undefined }, screen.size));
  };
  const screen = new Screen(output, input, {
    resized: draw,
    key(character) {
      if (character === 'q' || character === 'Q') stop.abort();
      if (character !== 's') return;
      order = orders[order === undefined ? 0 : orders.indexOf(order) + 1];
      draw();
    },
  });

  const timer = setInterval(() => {
    if (performance.now() - readAtMs > intervalMs + redrawMs / 2) draw();
  }, redrawMs);
  try {
    for await (const seen of follow(admin, intervalMs, stop.signal)) {
      if (look === undefined) screen.open();
      if ('problem' in seen) problem = seen.problem;
      else {
        [look, problem, readAt, readAtMs] = [seen, undefined, new Date(), performance.now()];
      }
      draw();
    }
  } finally {
    clearInterval(timer);
    screen.close();
  }
}
