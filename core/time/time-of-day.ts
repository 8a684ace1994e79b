// Time of day: when something was, for people, as the clocks of this machine show it.

/** `14:03`; with its day, where that is not within the last 24 hours. Both in ms since the epoch. */
export function timeOfDay(at: number, now: number): string {
  const date = new Date(at);
  const two = (part: number): string => String(part).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (now - at < 24 * 3_600_000) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}
