// TlsBroadcast: sends the workers what TLS uses, again whenever it changes.
import type { Logger } from 'pino';
import type { Certificate } from '../certificates/certificate.ts';
import { CertificateEnds } from '../certificates/certificate-ends.ts';
import type { CertificateRegistry } from '../certificates/certificate-registry.ts';
import type { TlsMaterials } from '../certificates/listener-tls.ts';
import type { Clock } from '../time/clock.ts';
import type { LoadedConfig } from './config-source.ts';
import { certificatesOf, ListenersTls } from './listeners-tls.ts';
import type { ManagerMessage } from './messages.ts';
import { TicketKeys } from './ticket-keys.ts';
import type { WorkerGroup } from './worker-group.ts';

/** What a {@link TlsBroadcast} works with. */
export interface TlsBroadcastOptions {
  readonly registry: CertificateRegistry;
  readonly clock: Clock;
  log(): Logger;
  /** All groups that have processes; more than one during a reload. */
  groups(): Iterable<WorkerGroup>;
}

/** The TLS of one Weldr, over its reloads. */
export class TlsBroadcast {
  private readonly options: TlsBroadcastOptions;
  private readonly keys: TicketKeys;
  /** The listeners' TLS, by config. */
  private readonly listeners = new WeakMap<LoadedConfig, ListenersTls>();
  private current: ListenersTls | undefined;
  private isDue = false;
  /** The fingerprints of the certificates that clients were shown last. */
  private shown: ReadonlySet<string> = new Set();
  private ends: CertificateEnds | undefined;

  constructor(options: TlsBroadcastOptions) {
    this.options = options;
    this.keys = new TicketKeys(options.clock, () => this.flush());
    options.registry.observe(() => this.schedule());
  }

  /** The keys of tickets, base64, for the process that replaces this one. */
  get ticketKeys(): string {
    return this.keys.text;
  }

  inherit(ticketKeys: string): void {
    this.keys.inherit(ticketKeys);
  }

  /** Reads what a config names. Throws CONFIG_INVALID. */
  read(config: LoadedConfig): void {
    this.listeners.set(config, new ListenersTls(config.settings.listen));
  }

  /** Makes a config the active one, and watches its files. */
  takeOver(config: LoadedConfig): void {
    const { registry, clock } = this.options;
    const listeners = this.listeners.get(config);
    if (listeners === undefined || listeners === this.current) return;
    this.current?.close();
    registry.setConfig(listeners.materials);
    this.current = listeners;
    this.turnKeys();
    listeners.watch(clock, this.options.log(), () => {
      registry.setConfig(listeners.materials);
      this.schedule();
    });
    if (this.ends !== undefined) this.ends.look();
    else this.ends = new CertificateEnds({ clock, log: this.options.log(), shown: () => this.inForce() });
  }

  close(): void {
    this.keys.close();
    this.current?.close();
    this.ends?.close();
  }

  /** Returns what the listeners of a config use; undefined: none of them speaks TLS. */
  message(config: LoadedConfig): ManagerMessage | undefined {
    if (!this.speaksTls(config)) return undefined;
    const { materials = {} } = this.listeners.get(config) ?? {};
    const { registry } = this.options;
    const over = (all: readonly Certificate[]): Certificate[] => all.flatMap(one => registry.over(one) ?? []);
    const own: TlsMaterials = Object.fromEntries(
      Object.entries(materials).map(([name, one]) => [
        name,
        { ...one, certificates: over(one.certificates) },
      ]),
    );
    const others = [...registry.operators, ...certificatesOf(own)];
    return { type: 'tls', ticketKeys: this.keys.text, materials: own, others };
  }

  private speaksTls(config: LoadedConfig): boolean {
    return Object.keys(this.listeners.get(config)?.materials ?? {}).length > 0;
  }

  /** A thousand changes made at once are one message. */
  private schedule(): void {
    if (this.isDue || this.current === undefined) return;
    this.isDue = true;
    queueMicrotask(() => {
      if (this.isDue) this.flush();
    });
  }

  private flush(): void {
    this.isDue = false;
    this.turnKeys();
    this.ends?.look();
    for (const group of this.options.groups()) {
      const message = this.message(group.config);
      if (message !== undefined) group.tellAll(message);
    }
  }

  /** Otherwise a client that resumes would not see the certificate that replaced its session's. */
  private turnKeys(): void {
    const before = this.shown;
    this.shown = new Set(this.inForce().map(({ fingerprint }) => fingerprint));
    if (!before.isSubsetOf(this.shown)) this.keys.turn();
  }

  /** All certificates that clients are shown, each once. */
  private inForce(): Certificate[] {
    const { registry } = this.options;
    const configured = certificatesOf(this.current?.materials ?? {}).flatMap(one => registry.over(one) ?? []);
    return [...new Map([...registry.operators, ...configured].map(one => [one.fingerprint, one])).values()];
  }
}
