// AddressHolder: keeps addresses on an interface for as long as they are renewed, and not a moment longer: each
// renewal tells the kernel when to drop them by itself.
import type { Logger } from 'pino';
import type { CancelTimer, Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import { type FloatingAddress, formatAddress } from './address.ts';
import { announce } from './announcement.ts';
import { run } from './command.ts';
import { runIpBefore, uptime } from './deadline.ts';

/**
 * How long after the end of `valid_lft` the kernel may drop an address, ms. It looks when the first address is due,
 * up to a quarter of a second late, but never sooner than a second after it looked before; and it looks whenever any
 * address of its kind changes (Linux, net/ipv4/devinet.c check_lifetime, net/ipv6/addrconf.c addrconf_verify_rtnl).
 */
export const kernelLateness = 1050;

/** What it may take from the decision to renew until the kernel has done so, ms; checked afterwards. */
export const commandTime = 50;

/** What a renewal of the leadership may take until it is here, ms. */
const renewalTime = 177;

/** How long a leadership has to hold from when its renewal was asked for, ms: the kernel's lifetime counts whole seconds. */
export const leadershipNeed = 1000 + kernelLateness + commandTime + renewalTime;

// Neighbours may miss one announcement, and switches learn from them.
const announceAfter = [0, 100, 500, 2000, 5000];

/** What an {@link AddressHolder} is made of. */
export interface AddressHolderOptions {
  readonly addresses: readonly FloatingAddress[];
  readonly interface: string;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Is told what becomes of the addresses. */
export interface AddressObserver {
  /** They are here, or not any more. */
  held(isHeld: boolean): void;
  /** Why they are not held, though they should be; undefined: they are. */
  complaint(text: string | undefined): void;
}

/** The addresses of one interface that this node holds now and then. */
export class AddressHolder {
  private readonly options: AddressHolderOptions;
  /** Counts the orders; one that is not the latest any more must not add an address. */
  private order = 0;
  private wanted = false;
  /** The kernel has dropped the addresses by then, monotonic ms. */
  private goneBy = 0;
  /** Until when the addresses are certainly there, monotonic ms; 0: not. */
  private thereUntil = 0;
  private work: Promise<void> = Promise.resolve();
  private announcements: CancelTimer[] = [];
  private complaint = '';
  /** Who is told; each config has one of its own. */
  observer: AddressObserver | undefined;
  /** Run commands so that they cannot take effect late. */
  keepsDeadlines = false;

  constructor(options: AddressHolderOptions) {
    this.options = options;
  }

  /** Why the addresses are not held, though they should be; undefined: they are, or should not be. */
  get trouble(): string | undefined {
    return this.wanted && this.complaint !== '' ? this.complaint : undefined;
  }

  /** Are the addresses here, as far as is known? */
  get holding(): boolean {
    return this.thereUntil > this.options.clock.monotonic();
  }

  /**
   * Puts the addresses on the interface, or renews them, so that the kernel has dropped them at `until` (monotonic
   * ms) if no renewal follows. Does nothing when too little time is left for that.
   */
  async hold(until: number): Promise<void> {
    this.wanted = true;
    const order = ++this.order;
    await this.inTurn(async () => {
      if (order === this.order) await this.renew(until);
    });
  }

  /** Takes the addresses away; resolves when they are gone, which it does not give up before the kernel does it. */
  async release(): Promise<void> {
    this.wanted = false;
    this.order++;
    for (const cancel of this.announcements.splice(0)) cancel();
    await this.inTurn(async () => await this.remove());
  }

  /**
   * Takes away what a Weldr before this one left. Resolves with why addresses cannot be changed here; undefined: they
   * can.
   */
  async clear(): Promise<string | undefined> {
    for (const line of this.lines('del')) {
      const { code, error } = await run('ip', ['-batch', '-'], { input: line });
      if (code !== 0 && !isAbsent(error)) return error;
    }
    return undefined;
  }

  private async renew(until: number): Promise<void> {
    const { clock, log } = this.options;
    // Read first: a freeze between the two readings counts against the command, too.
    const up = this.keepsDeadlines ? uptime() : 0;
    const begun = clock.monotonic();
    const lifetime = Math.floor((until - begun - kernelLateness - commandTime) / 1000);
    const fresh = !this.holding;
    if (lifetime < 1) {
      if (fresh) this.complain('the lease is too short, or its renewals take too long, to hold it safely');
      return;
    }
    const input = this.lines('change', ` valid_lft ${lifetime} preferred_lft 0`).join('');
    const slack = until - begun - lifetime * 1000 - kernelLateness;
    const { code, error } = this.keepsDeadlines
      ? await runIpBefore(up + slack / 1000, input)
      : await run('ip', ['-batch', '-'], { input });
    const done = clock.monotonic();
    this.goneBy = done + lifetime * 1000 + kernelLateness;
    if (this.goneBy > until) {
      // Something held the command up, or froze all of us: the kernel would drop the addresses too late.
      await this.remove();
      this.complain('renewing took too long');
      return;
    }
    if (code !== 0) {
      this.complain(`the address cannot be set: ${error}`);
      return;
    }
    this.thereUntil = begun + lifetime * 1000;
    if (this.complaint !== '') this.observer?.complaint(undefined);
    this.complaint = '';
    if (!fresh || !this.wanted) return;
    log.info({ addresses: this.options.addresses.map(formatAddress) }, 'holding the address');
    this.observer?.held(true);
    this.announce();
  }

  private async remove(): Promise<void> {
    const { clock, log } = this.options;
    const held = this.thereUntil > 0;
    this.thereUntil = 0;
    const input = this.lines('del').join('');
    for (;;) {
      const { code, error } = await run('ip', ['-force', '-batch', '-'], { input });
      const problems = error.split('\n').filter(line => line.trim() !== '' && !isAbsent(line));
      if (code === 0 || problems.length === 0) break;
      if (clock.monotonic() >= this.goneBy) break;
      log.error({ reason: problems.join('; ') }, 'the address cannot be taken away; trying again');
      await new Promise<void>(resolve => clock.after(50, resolve));
    }
    if (!held) return;
    log.info({ addresses: this.options.addresses.map(formatAddress) }, 'let go of the address');
    this.observer?.held(false);
  }

  /** Tells the neighbours, now and a few times more, that the address is here. */
  private announce(): void {
    const { clock } = this.options;
    for (const cancel of this.announcements.splice(0)) cancel();
    this.announcements = announceAfter.map(ms => clock.after(ms, () => this.announceOnce()));
  }

  private announceOnce(): void {
    const { addresses, interface: name, log } = this.options;
    if (!this.holding) return;
    for (const address of addresses) {
      announce(address, name)
        .catch(describeError)
        .then(problem => {
          if (problem !== undefined) {
            log.error({ address: address.ip, reason: problem }, 'the address cannot be announced');
          }
        });
    }
  }

  private lines(verb: 'change' | 'del', lifetime = ''): string[] {
    const { addresses, interface: name } = this.options;
    return addresses.map(address => {
      // Duplicate address detection would keep an IPv6 address unused for a second; the lease is what excludes others.
      const nodad = address.family === 6 && verb === 'change' ? ' nodad' : '';
      return `addr ${verb} ${formatAddress(address)} dev ${name}${nodad}${lifetime}\n`;
    });
  }

  /** Logs a problem once, not with each renewal. */
  private complain(text: string): void {
    if (text === this.complaint) return;
    this.complaint = text;
    this.options.log.error({ reason: text }, 'the address is not held');
    this.observer?.complaint(text);
  }

  private async inTurn(step: () => Promise<void>): Promise<void> {
    this.work = this.work.then(step);
    await this.work;
  }
}

function isAbsent(error: string): boolean {
  return /cannot assign requested address|address not found|^command failed/i.test(error);
}
