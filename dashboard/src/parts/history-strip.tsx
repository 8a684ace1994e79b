// The states of a server over the last 15 minutes, as a strip.

import { plural } from '../data/format.ts';
import { windowMs } from '../data/overview.ts';
import type { StateSince } from '../data/server.ts';

const slots = 45;

export function HistoryStrip({
  history,
  now,
}: {
  readonly history: readonly StateSince[];
  readonly now: number;
}) {
  // Slots stay fixed while time passes.
  const slotMs = windowMs / slots;
  const end = Math.ceil(now / slotMs) * slotMs;
  const start = end - windowMs;
  const bars = Array.from({ length: slots }, (_, slot) => {
    const until = start + (slot + 1) * slotMs;
    const begun = history[0]?.at ?? now;
    const worst = worstIn(history, until - slotMs, until);
    return begun >= until ? undefined : worst;
  });
  const changes =
    history.filter(({ at }) => at > start).length -
    (history[0] !== undefined && history[0].at > start ? 1 : 0);
  const label =
    changes <= 0
      ? 'No state changes in the last 15 minutes'
      : `${plural(changes, 'state change')} in the last 15 minutes`;
  return (
    <svg
      class="strip"
      viewBox={`0 0 ${slots * 3} 20`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {bars.map((state, slot) => (
        <rect key={slot} class={`strip-${state ?? 'unknown'}`} x={slot * 3} y="2" width="2" height="16" />
      ))}
    </svg>
  );
}

const rank = { active: 0, disabled: 1, draining: 2, down: 3 } as const;

/** The worst state between two times, so that short ones are visible. */
function worstIn(history: readonly StateSince[], from: number, until: number) {
  let worst: StateSince['state'] | undefined;
  for (const [index, { at, state }] of history.entries()) {
    const ends = history[index + 1]?.at ?? Number.POSITIVE_INFINITY;
    if (at >= until || ends <= from) continue;
    if (worst === undefined || rank[state] > rank[worst]) worst = state;
  }
  return worst;
}
