// AddressHolder: keeps addresses on an interface while they are renewed, and not a moment longer: each renewal sets when the kernel
// silences or drops them.
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { FloatingAddress } from './address.ts';
import { announce } from './announcement.ts';
import { Announcements } from './announcements.ts';
import { run } from './command.ts';
import { runIpBefore, uptime } from './deadline.ts';
import { findForeignHost } from './foreign-host.ts';
import type { FenceKind, HolderLog } from './orders.ts';
import { PacketFence } from './packet-fence.ts';

/**
 * How long after the end of `valid_lft` the kernel may drop an address, ms. It looks when the first address is due,
 * up to a quarter of a second late, but never sooner than a second after it looked before; and it looks whenever any
 * address of its kind changes (Linux, net/ipv4/devinet.c check_lifetime, net/ipv6/addrconf.c addrconf_verify_rtnl).
 */
export const kernelLateness = 1050;

/** The longest time from the decision to renew until the kernel has done so, ms; checked afterwards. */
export const commandTime = 50;

/** Behind the packet fence: `valid_lft`, s, and the interval of its renewals, ms. It matters if the tables are removed. */
const belt = { lifetime: 2, every: 500 } as const;
/** How often to look for another host with an address, ms: while it is held, and while that host keeps this node from it. */
const lookForOthers = { held: 10_000, kept: 2000 } as const;

/** What an {@link AddressHolder} is made of. */
export interface AddressHolderOptions {
  readonly addresses: readonly FloatingAddress[];
  readonly interface: string;
  readonly log: HolderLog;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
}

/** Receives changes of the addresses. */
export interface AddressObserver {
  /** They are held, or no longer. */
  held(isHeld: boolean): void;
  /** Why they are not held, though they should be; undefined: they are. */
  complaint(text: string | undefined): void;
}

/** The addresses that this node may hold on one interface. */
export class AddressHolder {
  private readonly options: AddressHolderOptions;
  private readonly announcements: Announcements;
  private packets: PacketFence | undefined;
  /** The number of orders; only the latest may add an address. */
  private order = 0;
  private wanted = false;
  /** By when the kernel has dropped the addresses, monotonic ms. */
  private goneBy = 0;
  /** Until when the addresses are certainly held, monotonic ms; 0: they are not. */
  private thereUntil = 0;
  /** Whether `held` was last reported as true. */
  private isReported = false;
  private beltAt = Number.NEGATIVE_INFINITY;
  private work: Promise<void> = Promise.resolve();
  private complaint = '';
  private cancelEnd: CancelTimer | undefined;
  /** The complaint about another host that has an address; undefined: there is none. */
  private foreign: string | undefined;
  /** The number of times that holding began or ended; a search for other hosts ends when it changes. */
  private looks = 0;
  /** Receives changes, if set. */
  observer: AddressObserver | undefined;
  /** Whether commands are run so that they cannot take effect late. */
  keepsDeadlines = false;

  constructor(options: AddressHolderOptions) {
    this.options = options;
    this.announcements = new Announcements(
      () => this.announceOnce(),
      (ms, fn) => options.clock.after(ms, fn),
    );
  }

  /** Whether the addresses are held, as far as is known. */
  get holding(): boolean {
    return this.thereUntil > this.options.clock.monotonic();
  }

  /** What keeps the addresses from outliving their time. */
  get fence(): FenceKind {
    return this.packets === undefined ? 'valid_lft' : 'nft';
  }

  /** Chooses nftables if they work. `again`: continues with the tables of an earlier process. */
  async chooseFence({ again = false } = {}): Promise<void> {
    const { addresses, interface: name, clock, log } = this.options;
    const packets = new PacketFence(addresses, name, clock);
    const problem = await (again ? packets.adopt() : packets.try());
    if (problem === undefined) {
      this.packets = packets;
      return;
    }
    await packets.remove();
    log.info({ reason: problem }, 'nftables cannot be used: the address is guarded by its lifetime alone');
  }

  /**
   * Puts the addresses on the interface, or renews them, so that they are gone at `until` (monotonic ms) unless a renewal follows.
   * Does nothing when too little time is left for that.
   */
  async hold(until: number): Promise<void> {
    if (!this.wanted) this.lookForForeignHosts(++this.looks);
    this.wanted = true;
    const order = ++this.order;
    await this.inTurn(async () => {
      if (order === this.order) await this.renew(until);
    });
  }

  /** Removes the addresses. Resolves once they are gone; tries until the kernel has dropped them. */
  async release(): Promise<void> {
    this.wanted = false;
    this.foreign = undefined;
    this.order++;
    this.looks++;
    this.announcements.stop();
    if (this.complaint !== '') this.observer?.complaint(undefined);
    this.complaint = '';
    await this.inTurn(async () => await this.remove());
  }

  /** Releases the addresses, and removes what guards them. */
  async end(): Promise<void> {
    await this.release();
    await this.packets?.remove();
  }

  /**
   * Removes what an earlier Weldr left. Resolves with why addresses cannot be changed on this machine; undefined: they can.
   */
  async clear(): Promise<string | undefined> {
    for (const line of this.lines('del')) {
      const { code, error } = await run('ip', ['-batch', '-'], { input: line });
      if (code !== 0 && !isAbsent(error)) return error;
    }
    return undefined;
  }

  private async renew(until: number): Promise<void> {
    const fresh = !this.holding;
    if (this.foreign !== undefined) return this.complain(this.foreign);
    const problem = await (this.packets === undefined
      ? this.renewLifetime(until)
      : this.renewPackets(this.packets, until));
    if (problem !== undefined) {
      if (problem !== 'too late') this.complain(problem);
      else if (fresh) {
        this.complain('the lease is too short, or its renewals take too long, to hold it safely');
      }
      return;
    }
    if (this.complaint !== '') this.observer?.complaint(undefined);
    this.complaint = '';
    this.watchEnd();
    // The previous time may have run out, and been reported, while this renewal was under way.
    if (!(fresh || !this.isReported) || !this.wanted) return;
    this.announcements.start();
    const addresses = this.options.addresses.map(({ text }) => text);
    this.options.log.info({ addresses, fence: this.fence }, 'holding the address');
    this.isReported = true;
    this.observer?.held(true);
  }

  /** Reports when no renewal comes in time. */
  private watchEnd(): void {
    const { clock, log } = this.options;
    this.cancelEnd?.();
    this.cancelEnd = clock.after(Math.max(0, this.thereUntil - clock.monotonic() + 5), () => {
      if (this.thereUntil === 0 || this.holding) return;
      this.thereUntil = 0;
      log.warn({}, 'no renewal came in time: the kernel has silenced the address');
      this.announcements.stop();
      this.isReported = false;
      this.observer?.held(false);
    });
  }

  /** Renews the lifetime after which the kernel drops the addresses. Resolves with what went wrong. */
  private async renewLifetime(until: number): Promise<string | undefined> {
    const { clock } = this.options;
    // Read first, so that a freeze between the two readings counts against the command.
    const up = this.keepsDeadlines ? uptime() : 0;
    const begun = clock.monotonic();
    const lifetime = Math.floor((until - begun - kernelLateness - commandTime) / 1000);
    if (lifetime < 1) return 'too late';
    const input = this.changes(lifetime);
    const slack = until - begun - lifetime * 1000 - kernelLateness;
    const { code, error } = this.keepsDeadlines
      ? await runIpBefore(up + slack / 1000, input)
      : await run('ip', ['-batch', '-'], { input });
    const done = clock.monotonic();
    this.goneBy = done + lifetime * 1000 + kernelLateness;
    if (this.goneBy > until) {
      // The command was held up, or this machine froze: the kernel would drop the addresses too late.
      await this.remove();
      return 'renewing took too long';
    }
    if (code !== 0) return `the address cannot be set: ${error}`;
    this.thereUntil = begun + lifetime * 1000;
    return undefined;
  }

  /** Renews the time after which the kernel lets no packet pass, and drops the addresses later. Resolves with what went wrong. */
  private async renewPackets(packets: PacketFence, until: number): Promise<string | undefined> {
    const [problem, first] = await Promise.all([this.renewBelt(until), packets.open(until)]);
    if (problem !== undefined) return `the address cannot be set: ${problem}`;
    let opened = first;
    if (typeof opened === 'object' && 'problem' in opened) opened = await this.repair(packets, until);
    if (opened === 'too late') return opened;
    if ('problem' in opened) return `nftables refused the renewal: ${opened.problem}`;
    this.thereUntil = opened.openUntil;
    return undefined;
  }

  /** Repeats a renewal that failed because its ticket had expired or the tables were removed. */
  private async repair(packets: PacketFence, until: number) {
    if (!(await packets.isThere())) {
      this.options.log.warn(
        {},
        'the table of nftables that guards the address was removed; making it again. Have the firewall flush only its own' +
          ' tables, not the whole ruleset',
      );
      const problem = await packets.build();
      if (problem !== undefined) return { problem };
    }
    return await packets.open(until);
  }

  private async renewBelt(until: number): Promise<string | undefined> {
    const up = this.keepsDeadlines ? uptime() : 0;
    const now = this.options.clock.monotonic();
    if (this.holding && now - this.beltAt < belt.every) return undefined;
    this.beltAt = now;
    const input = this.changes(belt.lifetime);
    const { code, error } = this.keepsDeadlines
      ? await runIpBefore(up + (until - now) / 1000, input)
      : await run('ip', ['-batch', '-'], { input });
    this.goneBy = this.options.clock.monotonic() + belt.lifetime * 1000 + kernelLateness;
    return code === 0 ? undefined : error;
  }

  private async remove(): Promise<void> {
    const { log } = this.options;
    const held = this.thereUntil > 0;
    this.thereUntil = 0;
    this.isReported = false;
    this.announcements.stop();
    if (this.packets === undefined) await this.takeAway({ persistent: true });
    else {
      const [problem] = await Promise.all([this.packets.close(), this.takeAway()]);
      // Nothing else silences the addresses then.
      if (problem !== undefined) await this.takeAway({ persistent: true });
    }
    if (!held) return;
    log.info({ addresses: this.options.addresses.map(({ text }) => text) }, 'let go of the address');
    this.observer?.held(false);
  }

  /** Deletes the addresses; `persistent`: tries until they are gone. */
  private async takeAway({ persistent = false } = {}): Promise<void> {
    const { clock, log } = this.options;
    const input = this.lines('del').join('');
    for (;;) {
      const { code, error } = await run('ip', ['-force', '-batch', '-'], { input });
      const problems = error.split('\n').filter(line => line.trim() !== '' && !isAbsent(line));
      if (code === 0 || problems.length === 0) return;
      log.error({ reason: problems.join('; ') }, 'the address cannot be removed; trying again');
      if (!persistent || clock.monotonic() >= this.goneBy) return;
      await new Promise<void>(resolve => clock.after(50, resolve));
    }
  }

  /** Looks for other hosts with an address until this holding ends. */
  private async lookForForeignHosts(look: number): Promise<void> {
    const { addresses, interface: name, clock } = this.options;
    while (look === this.looks) {
      const host = await findForeignHost(addresses, name);
      if (look !== this.looks) return;
      this.foreign =
        host === undefined
          ? undefined
          : `${host.ip} is in use by another host (${host.mac}); remove it there, or give the cluster another address`;
      if (this.foreign !== undefined && this.holding) {
        this.complain(this.foreign);
        await this.inTurn(async () => await this.remove());
      }
      const ms = this.foreign === undefined ? lookForOthers.held : lookForOthers.kept;
      await new Promise<void>(resolve => clock.after(ms, resolve));
    }
  }

  private announceOnce(): void {
    const { addresses, interface: name, log } = this.options;
    if (!this.holding) return;
    for (const address of addresses) {
      announce(address, name, this.keepsDeadlines)
        .catch(String)
        .then(problem => {
          if (problem !== undefined) {
            log.error({ address: address.ip, reason: problem }, 'the address cannot be announced');
          }
        });
    }
  }

  private changes(lifetime: number): string {
    return this.lines('change', ` valid_lft ${lifetime} preferred_lft 0`).join('');
  }

  private lines(verb: 'change' | 'del', lifetime = ''): string[] {
    const { addresses, interface: name } = this.options;
    return addresses.map(address => {
      // Duplicate address detection would keep an IPv6 address unused for a second; the lease is what excludes others.
      const nodad = address.family === 6 && verb === 'change' ? ' nodad' : '';
      return `addr ${verb} ${address.text} dev ${name}${nodad}${lifetime}\n`;
    });
  }

  /** Reports a problem once, not with each renewal. */
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
