// AddressRelease: has all workers end the connections that came by the service addresses, before these move to another node.
import type { Logger } from 'pino';
import type { Leadership, ManagerHooks, ServiceAddress } from '../plugin/manager-hooks.ts';
import type { CancelTimer, Clock } from '../time/clock.ts';
import type { Recipients } from './delivery.ts';
import type { WindDownStep } from './messages.ts';

/** So long clients are told, with their next answer, that their connection ends, ms. New ones are still taken. */
const beginTime = 100;
/** Then requests that are under way have so long to end, ms. New connections are dropped meanwhile. */
const finishTime = 100;
/** A worker may be so much later, ms. */
const lateness = 50;
/** A release that has not come by then does not, ms. */
const releaseWithin = 5000;
const attempts = 5;

/** What an {@link AddressRelease} works with. */
export interface AddressReleaseOptions {
  readonly clock: Clock;
  log(): Logger;
  /** All that have processes; at a reload more than one. */
  groups(): Iterable<Recipients>;
  readonly doors: AddressDoors;
}

/** What new clients come in by. */
export interface AddressDoors {
  /** Has what new clients of these addresses send be dropped, where that can be done. */
  shut(addresses: readonly string[]): Promise<void>;
  /** Takes all again. False: that is not sure. */
  open(): Promise<boolean>;
}

/**
 * A planned hand-over: `windDown` while the addresses are still here; when the leadership was let go of, all goes on as before. One
 * that was lost leaves connections which go on if this node wins it again, and are ended when another node leads.
 */
export class AddressRelease {
  private readonly options: AddressReleaseOptions;
  private round = 0;
  private readonly awaited = new Set<number>();
  private look: () => void = () => {};
  /** Those whose connections may still be here. */
  private addresses: readonly string[] = [];
  private isPlanned = false;
  /** What is done to the doors, one after another: the last word counts. */
  private doors: Promise<void> = Promise.resolve();
  private cancelReturn: CancelTimer | undefined;

  constructor(options: AddressReleaseOptions) {
    this.options = options;
  }

  /** Acts on what is called by a config's plugins, behind all of these. */
  follow(hooks: ManagerHooks): void {
    const tap = { name: 'workers', stage: 2_000_000 } as const;
    hooks.handingOver.tapPromise(tap, async () => await this.windDown(heldOf(hooks)));
    hooks.leaderChanged.tap(tap, leadership => this.leaderChanged(leadership, hooks));
  }

  /** A worker has done this step, or has ended. */
  done(worker: number, round = this.round): void {
    if (round !== this.round) return;
    this.awaited.delete(worker);
    this.look();
  }

  /** Resolves when new clients of all addresses are taken, as ever. */
  async settled(): Promise<void> {
    this.end();
    await this.doors;
  }

  private async windDown(addresses: readonly string[]): Promise<void> {
    if (addresses.length === 0 || this.isPlanned) return;
    const { clock, doors } = this.options;
    const isOver = (): boolean => this.addresses !== addresses;
    this.addresses = addresses;
    this.isPlanned = true;
    this.cancelReturn = clock.after(releaseWithin, () => this.end());
    await this.step('begin', beginTime);
    if (isOver()) return;
    this.doors = this.doors.then(async () => await doors.shut(addresses));
    await this.doors;
    if (!isOver()) await this.step('finish', finishTime);
  }

  private leaderChanged({ leading, leader }: Leadership, hooks: ManagerHooks): void {
    if (leading) {
      if (!this.isPlanned) this.addresses = heldOf(hooks);
    } else if (this.isPlanned || leader !== undefined) this.end();
  }

  /** The addresses are gone, and with them the clients. */
  private end(): void {
    const { addresses, isPlanned } = this;
    this.addresses = [];
    this.isPlanned = false;
    this.cancelReturn?.();
    if (addresses.length > 0) this.tell('over', addresses, 0);
    if (isPlanned) this.doors = this.doors.then(async () => await this.openDoors());
  }

  private async openDoors(): Promise<void> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (await this.options.doors.open()) return;
    }
    const text =
      'listening sockets may still drop new connections to the service address: restart Weldr before it leads again';
    this.options.log().error(text);
  }

  private async step(step: WindDownStep, withinMs: number): Promise<void> {
    this.tell(step, this.addresses, withinMs);
    this.awaited.clear();
    for (const { servingNumbers } of this.options.groups()) {
      for (const worker of servingNumbers) this.awaited.add(worker);
    }
    if (this.awaited.size === 0) return;
    const all = Promise.withResolvers<void>();
    this.look = () => {
      if (this.awaited.size === 0) all.resolve();
    };
    const cancel = this.options.clock.after(withinMs + lateness, all.resolve);
    await all.promise;
    cancel();
  }

  private tell(step: WindDownStep, addresses: readonly string[], withinMs: number): void {
    this.round++;
    for (const group of this.options.groups()) {
      group.tellAll({ type: 'wind-down', round: this.round, step, addresses, withinMs });
    }
  }
}

/** The service addresses that are here now, without the lengths of their networks. */
function heldOf(hooks: ManagerHooks): string[] {
  const addresses: ServiceAddress[] = [];
  hooks.serviceAddresses.call(addresses);
  return addresses.filter(({ held }) => held).map(({ address }) => address.replace(/\/.*$/, ''));
}
