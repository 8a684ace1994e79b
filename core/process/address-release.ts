// AddressRelease: ends, in all workers, the connections to the service addresses before these move to another node.
import type { Logger } from 'pino';
import type { Leadership, ManagerHooks, ServiceAddress } from '../plugin/manager-hooks.ts';
import type { CancelTimer, Clock } from '../time/clock.ts';
import type { Recipients } from './delivery.ts';
import type { WindDownStep } from './messages.ts';

/** For this long the next response on each connection announces its end, ms. New connections are still accepted. */
const beginTime = 100;
/** Then requests under way have this long to end, ms. New connections are dropped meanwhile. */
const finishTime = 100;
/** How much later a worker may report a step, ms. */
const lateness = 50;
/** How long a planned release is waited for before it is cancelled, ms. */
const releaseWithin = 5000;
const attempts = 5;

/** What an {@link AddressRelease} works with. */
export interface AddressReleaseOptions {
  readonly clock: Clock;
  log(): Logger;
  /** All groups that have processes; more than one during a reload. */
  groups(): Iterable<Recipients>;
  readonly doors: AddressDoors;
}

/** How new clients come in. */
export interface AddressDoors {
  /** Drops new connections to these addresses, where the system supports it. */
  shut(addresses: readonly string[]): Promise<void>;
  /** Accepts all new connections again. False: some may still be dropped. */
  open(): Promise<boolean>;
}

/**
 * A planned hand-over: `windDown` while the addresses are still here; after the leadership has ended, everything continues
 * as before. When a leadership was lost, its connections continue if this node wins it again, and end when another node
 * leads.
 */
export class AddressRelease {
  private readonly options: AddressReleaseOptions;
  private round = 0;
  private readonly awaited = new Set<number>();
  private look: () => void = () => {};
  /** The addresses whose connections may still be here. */
  private addresses: readonly string[] = [];
  private isPlanned = false;
  /** The changes of the doors, one after another: the last one counts. */
  private doors: Promise<void> = Promise.resolve();
  private cancelReturn: CancelTimer | undefined;

  constructor(options: AddressReleaseOptions) {
    this.options = options;
  }

  /** Follows the hooks of a config's plugins, after all taps of the plugins. */
  follow(hooks: ManagerHooks): void {
    const tap = { name: 'workers', stage: 2_000_000 } as const;
    hooks.handingOver.tapPromise(tap, async () => await this.windDown(heldOf(hooks)));
    hooks.leaderChanged.tap(tap, leadership => this.leaderChanged(leadership, hooks));
  }

  /** Called when a worker has done this step, or has ended. */
  done(worker: number, round = this.round): void {
    if (round !== this.round) return;
    this.awaited.delete(worker);
    this.look();
  }

  /** Resolves when new connections to all addresses are accepted again. */
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

  /** The addresses are gone, and their clients too. */
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

/** The service addresses that this node holds now, without their prefix lengths. */
function heldOf(hooks: ManagerHooks): string[] {
  const addresses: ServiceAddress[] = [];
  hooks.serviceAddresses.call(addresses);
  return addresses.filter(({ held }) => held).map(({ address }) => address.replace(/\/.*$/, ''));
}
