// MachineHolding: when one machine had an address, from what its kernel says of its addresses and of the table that guards it: an
// address whose guard is closed is silent, and held by nobody.
import type { Holding } from './holder-watch.ts';

/** Reads the lines of `ip -o -ts monitor address` and of `nft monitor`. */
export class MachineHolding {
  private readonly machine: string;
  private readonly address: string;
  private readonly holdings: Holding[];
  private isPresent = false;
  /** Until when the guard lets packets pass; undefined: there is none. */
  private openUntil: number | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** Adds to `holdings`, which it shares with other machines. */
  constructor(machine: string, address: string, holdings: Holding[]) {
    this.machine = machine;
    this.address = address;
    this.holdings = holdings;
  }

  /** `[2026-01-01T10:00:00.123456] Deleted 5: eth0    inet 10.77.0.100/24 …` */
  takeAddressLine(line: string): void {
    const match = /^\[([^\]]+)\] (Deleted )?.* inet6? ([0-9a-f.:]+)\//.exec(line);
    if (match === null || match[3] !== this.address) return;
    this.isPresent = match[2] === undefined;
    this.judge(Date.parse(`${match[1]}`));
  }

  /** `add element inet weldr_eth0_0123abcd held { ipv4 timeout 700ms expires 700ms }` */
  takeGuardLine(line: string, now = Date.now()): void {
    const match =
      /^(add|delete) (table|element|set) inet weldr_\w+ ?(held|tickets)?(?:.* timeout ([\dms]+))?/.exec(line);
    if (match === null) return;
    const [, verb, what, set, timeout] = match;
    if (what === 'table') this.openUntil = verb === 'add' ? 0 : undefined;
    // What is deleted in a renewal is added again in the same moment.
    if (what === 'element' && set === 'held')
      this.openUntil = verb === 'add' ? now + milliseconds(timeout) : 0;
    setImmediate(() => this.judge(now));
  }

  private judge(at: number): void {
    clearTimeout(this.timer);
    const isOpen = this.openUntil === undefined || this.openUntil > Date.now();
    const end = this.openUntil !== undefined && this.openUntil > 0 ? Math.min(at, this.openUntil) : at;
    const open = this.holdings.find(({ machine, to }) => machine === this.machine && to === undefined);
    if (this.isPresent && isOpen) {
      if (open === undefined) this.holdings.push({ machine: this.machine, from: at, to: undefined });
      if (this.openUntil !== undefined) {
        const until = this.openUntil;
        this.timer = setTimeout(() => this.judge(until), until - Date.now() + 1);
      }
    } else if (open !== undefined) open.to = end;
  }
}

/** Of `1s200ms`. */
function milliseconds(text = ''): number {
  const [, seconds = '0', ms = '0'] = /^(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text) ?? [];
  return Number(seconds) * 1000 + Number(ms);
}
