// The time of day of an event, for people, in this machine's time zone.

/** `14:03`, or `2025-01-31 14:03` when that is more than 24 hours ago. Both in ms since the epoch. */
export function timeOfDay(at: number, now: number): string {
  const date = new Date(at);
  const two = (part: number): string => String(part).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (now - at < 24 * 3_600_000) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}
