// Formats numbers and times for display.

const dash = '–';

export function rateOf(value: number | undefined): string {
  if (value === undefined) return dash;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)}k`;
  return value >= 100 || value === 0 ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}

export function msOf(value: number | null | undefined): string {
  if (value === null || value === undefined) return dash;
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 10 ? `${Math.round(value)} ms` : `${value.toFixed(1)} ms`;
}

export function shareOf(value: number | undefined): string {
  if (value === undefined) return dash;
  const percent = value * 100;
  if (percent === 0) return '0 %';
  return percent < 0.1 ? '< 0.1 %' : `${percent >= 10 ? percent.toFixed(0) : percent.toFixed(1)} %`;
}

export const countOf = (value: number): string => value.toLocaleString('en');

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${countOf(count)} ${count === 1 ? one : many}`;
}

/** How long ago, in one unit. */
export function agoOf(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

export const timeOf = (at: number): string =>
  new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

export const dayOf = (at: number | string): string =>
  new Date(at).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** Formats how long code takes, from ms: down to fractions of a microsecond. */
export function tookOf(ms: number): string {
  if (ms >= 1) return msOf(ms);
  const us = ms * 1000;
  if (us < 0.1) return '< 0.1 µs';
  return us >= 10 ? `${Math.round(us)} µs` : `${us.toFixed(1)} µs`;
}
