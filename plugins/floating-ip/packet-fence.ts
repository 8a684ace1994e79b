// PacketFence: has nftables let packets of the service addresses pass only while a set contains an element with a timeout, so that the
// kernel silences an address to the millisecond. A renewal takes effect in time or not at all, whatever is frozen.
import type { CancelTimer } from '../../core/time/clock.ts';
import type { FloatingAddress } from './address.ts';
import { type CommandResult, run } from './command.ts';

/**
 * How long after its timeout an element may still be found, ms. The kernel compares the timeout with its ticks for each packet, so it
 * is one tick (at most 10 ms) late.
 */
export const packetLateness = 50;
/**
 * How long a ticket is valid: `ticketLife` ms, or `ticketSpan` times what passed since the last renewal if that is longer, but no more
 * than `ticketShare` of the available time. What is left of it at the next renewal is taken from the time for packets.
 */
export const ticketLife = 240;
const ticketSpan = 1.6;
const ticketShare = 1 / 3;
/** A ticket that is used at once gets this share of the life, which leaves more time for packets. */
const freshShare = 2 / 3;
/** A shorter time, ms, would end before the next renewal. */
const shortestTime = 100;
/** A ticket with less time left may already be too late, ms. */
const leastTicketTime = 60;
/** The longest time of a command in the trial, ms: the first one after a machine's start loads kernel modules. */
const patience = 10_000;

/** The result of a renewal. */
export type Opened = { readonly openUntil: number } | 'too late' | { readonly problem: string };

interface PacketClock {
  monotonic(): number;
  after(ms: number, fn: () => void): CancelTimer;
}

/**
 * The tables of some addresses. A renewal is one transaction, which uses up a ticket: an element with a short timeout that the previous
 * renewal left. If the ticket is gone, the kernel refuses the whole transaction.
 */
export class PacketFence {
  private readonly addresses: readonly FloatingAddress[];
  private readonly name: string;
  private readonly clock: PacketClock;
  /** `end`: when the kernel drops it at the latest, monotonic ms. */
  private ticket: { readonly number: number; readonly end: number } | undefined;
  /** When the last renewal began, monotonic ms. */
  private openedAt: number | undefined;
  private lastNumber = Math.floor(Math.random() * 2 ** 31);

  constructor(addresses: readonly FloatingAddress[], interfaceName: string, clock: PacketClock) {
    this.addresses = addresses;
    this.name = tableName(addresses, interfaceName);
    this.clock = clock;
  }

  /** Replaces the tables by new, closed ones. Resolves with why that failed; undefined: done. */
  async build(ms?: number): Promise<string | undefined> {
    this.ticket = undefined;
    return problemOf(await nft(`${this.removal}${this.tables}`, ms));
  }

  /** Continues with the tables of an earlier process, open or closed as they are, or makes new ones. */
  async adopt(): Promise<string | undefined> {
    this.ticket = undefined;
    if ((await nft(`flush set inet ${this.name} tickets\n`)).code === 0) return undefined;
    return await this.build();
  }

  /** Builds the tables and checks that the kernel does everything needed; resolves with what it does not do. */
  async try(): Promise<string | undefined> {
    const problem = await this.build(patience);
    if (problem !== undefined) return problem;
    const use = (number: number) => `delete element inet ${this.name} tickets { ${number} }\n`;
    const add = (number: number, ms: number) =>
      `add element inet ${this.name} tickets { ${number} timeout ${ms}ms }\n`;
    const steps = [
      await nft(add(1, 10_000), patience),
      await nft(`${use(1)}${this.opening(1)}`, patience),
      await nft(add(2, 20), patience),
    ];
    const failed = steps.find(({ code }) => code !== 0);
    if (failed !== undefined) return problemOf(failed);
    const twice = await nft(use(1), patience);
    await new Promise<void>(resolve => this.clock.after(20 + packetLateness, resolve));
    const expired = await nft(use(2), patience);
    if (twice.code === 0 || expired.code === 0) return 'the kernel accepts elements that have expired';
    return await this.close();
  }

  /** Lets packets pass, but not after `until` (monotonic ms). */
  async open(until: number): Promise<Opened> {
    const now = this.clock.monotonic();
    const wanted = this.openedAt === undefined ? 0 : ticketSpan * (now - this.openedAt);
    this.openedAt = now;
    const life = Math.max(ticketLife, Math.floor(Math.min(wanted, (until - now) * ticketShare)));
    const left = (this.ticket?.end ?? now) - packetLateness - now;
    if (left < leastTicketTime || left > life) {
      const problem = await this.takeTicket(Math.ceil(life * freshShare));
      if (problem !== undefined) return { problem };
    }
    const { ticket, clock } = this;
    if (ticket === undefined) return { problem: 'there is no ticket' };
    // It takes effect before the ticket's end.
    const time = Math.floor(until - packetLateness - ticket.end);
    if (time < shortestTime) return 'too late';
    const next = this.nextNumber();
    const begun = clock.monotonic();
    const result = await nft(
      `delete element inet ${this.name} tickets { ${ticket.number} }\n${this.opening(time)}${this.ticketLine(next, life)}`,
    );
    const problem = problemOf(result);
    this.ticket = problem === undefined ? { number: next, end: this.ticketEnd(life) } : undefined;
    return problem === undefined ? { openUntil: begun + time } : { problem };
  }

  /** Lets no packet pass from now on, even if another command is still running. Resolves with why that is not certain. */
  async close(): Promise<string | undefined> {
    this.ticket = undefined;
    this.openedAt = undefined;
    return problemOf(await nft(`flush set inet ${this.name} tickets\n${this.flush}`));
  }

  /** Resolves with whether the tables exist. */
  async isThere(): Promise<boolean> {
    return (await nft(`list table inet ${this.name}\n`)).code === 0;
  }

  /** Removes the tables. */
  async remove(): Promise<void> {
    this.ticket = undefined;
    await nft(this.removal);
  }

  private async takeTicket(life: number): Promise<string | undefined> {
    const number = this.nextNumber();
    const problem = problemOf(await nft(this.ticketLine(number, life)));
    this.ticket = problem === undefined ? { number, end: this.ticketEnd(life) } : undefined;
    return problem;
  }

  /** Returns when a ticket ends whose command has just finished. */
  private ticketEnd(life: number): number {
    return this.clock.monotonic() + life + packetLateness;
  }

  private nextNumber(): number {
    this.lastNumber = (this.lastNumber + 1) % 2 ** 32;
    return this.lastNumber;
  }

  private ticketLine(number: number, life: number): string {
    return `add element inet ${this.name} tickets { ${number} timeout ${life}ms }\n`;
  }

  private get hasFour(): boolean {
    return this.addresses.some(({ family }) => family === 4);
  }

  private get flush(): string {
    return `flush set inet ${this.name} held\n${this.hasFour ? `flush set arp ${this.name} held\n` : ''}`;
  }

  private opening(ms: number): string {
    const inet = `add element inet ${this.name} held { ipv4 timeout ${ms}ms, ipv6 timeout ${ms}ms }\n`;
    const arp = `add element arp ${this.name} held { ip timeout ${ms}ms }\n`;
    return `${this.flush}${inet}${this.hasFour ? arp : ''}`;
  }

  private get removal(): string {
    const families = this.hasFour ? ['inet', 'arp'] : ['inet'];
    return families
      .map(family => `add table ${family} ${this.name}\ndelete table ${family} ${this.name}\n`)
      .join('');
  }

  private get tables(): string {
    const of = (family: 4 | 6) =>
      this.addresses.filter(address => address.family === family).map(({ ip }) => ip);
    const [four, six] = [of(4).join(', '), of(6).join(', ')];
    const targets = of(6).map(targetOf).join(', ');
    const chain = (hook: 'input' | 'output', side: 'daddr' | 'saddr', message: string) => `  chain ${hook} {
    type filter hook ${hook} priority -300; policy accept;
${four && `    ip ${side} { ${four} } meta nfproto != @held drop\n`}${
  six &&
  `    ip6 ${side} { ${six} } meta nfproto != @held drop
    icmpv6 type ${message} @th,64,128 { ${targets} } meta nfproto != @held drop\n`
}  }\n`;
    const arpChain = (hook: 'input' | 'output', side: 'daddr' | 'saddr') => `  chain ${hook} {
    type filter hook ${hook} priority 0; policy accept;
    arp ${side} ip { ${four} } arp ptype != @held drop
  }\n`;
    return `table inet ${this.name} {
  set held { type nf_proto; flags timeout; }
  set tickets { type mark; flags timeout; }
${chain('input', 'daddr', 'nd-neighbor-solicit')}${chain('output', 'saddr', 'nd-neighbor-advert')}}
${
  four &&
  `table arp ${this.name} {
  set held { type ether_type; flags timeout; }
${arpChain('input', 'daddr')}${arpChain('output', 'saddr')}}\n`
}`;
  }
}

/** Returns a name made of the interface and the addresses, so that other Weldrs and other addresses have separate tables. */
export function tableName(addresses: readonly FloatingAddress[], interfaceName: string): string {
  let hash = 0x811c9dc5;
  for (const character of addresses
    .map(({ text }) => text)
    .sort()
    .join()) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193) >>> 0;
  }
  return `weldr_${interfaceName.replace(/\W/g, '_')}_${hash.toString(16).padStart(8, '0')}`;
}

async function nft(input: string, ms?: number): Promise<CommandResult> {
  return await run('nft', ['-f', '-'], { input, ...(ms !== undefined && { ms }) });
}

function problemOf({ code, error }: CommandResult): string | undefined {
  return code === 0 ? undefined : (error.split('\n')[0] ?? '') || `nft ended with ${code}`;
}

/** Returns an IPv6 address as a number. */
function targetOf(ip: string): string {
  const [head = '', tail] = withoutDots(ip).split('::');
  const groups = (text: string) => text.split(':').filter(group => group !== '');
  const [left, right] = [groups(head), groups(tail ?? '')];
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return `0x${all.map(group => group.padStart(4, '0')).join('')}`;
}

/** Returns an address such as `::ffff:10.0.0.1` with its last part in hexadecimal. */
function withoutDots(ip: string): string {
  return ip.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
}
