// Time texts: formats moments and durations, mostly by a look-up.

const thousandths = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));
/** The texts of durations below 4 ms, which most are. */
const short = Array.from({ length: 4000 }, (_, us) => `${Math.floor(us / 1000)}.${thousandths[us % 1000]}`);
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Formats milliseconds with three decimals; negative values as 0. */
export function msText(ms: number): string {
  const us = Math.round(ms * 1000);
  if (!(us > 0)) return '0.000';
  if (us < short.length) return short[us] ?? '';
  const whole = Math.floor(us / 1000);
  return `${whole}.${thousandths[us - whole * 1000]}`;
}

/** Formats moments, with a cache: most requests share their second, and under load their millisecond. */
export class Moments {
  private isoSecond = -1;
  private iso = '';
  private memberMs = -1;
  private member = '';
  private clfSecond = -1;
  private clf = '';

  /** Returns a text such as `2026-03-01T12:00:00.250Z`; `ms` since the epoch. */
  isoText(ms: number): string {
    const whole = Math.floor(ms);
    const second = Math.floor(whole / 1000);
    if (second !== this.isoSecond) {
      this.isoSecond = second;
      this.iso = new Date(second * 1000).toISOString().slice(0, -4);
    }
    return `${this.iso}${thousandths[whole - second * 1000]}Z`;
  }

  /** Returns the first member of a JSON object: `{"time":"2026-03-01T12:00:00.250Z"`. */
  isoMember(ms: number): string {
    const whole = Math.floor(ms);
    if (whole !== this.memberMs) {
      this.memberMs = whole;
      this.member = `{"time":"${this.isoText(whole)}"`;
    }
    return this.member;
  }

  /** Returns the time of the Common Log Format: `01/Mar/2026:12:00:00 +0000`. */
  clfText(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.clfSecond) {
      this.clfSecond = second;
      const iso = new Date(second * 1000).toISOString();
      const month = months[Number(iso.slice(5, 7)) - 1];
      this.clf = `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
    }
    return this.clf;
  }
}
