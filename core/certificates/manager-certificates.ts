// ManagerCertificates: the certificates for the manager side of a plugin: to read, to follow, to put.
import { describeError, WeldrError } from '../errors.ts';
import type { State } from '../state/state.ts';
import { certificateKindName } from './certificate-kind.ts';
import { certificateName } from './certificate-name.ts';
import type { CertificateInfo, CertificateObserver, CertificateRegistry } from './certificate-registry.ts';

/** A certificate and its key, as PEM. */
export interface CertificatePair {
  /** The certificate, followed by its chain. */
  readonly cert: string;
  readonly key: string;
  /** For an encrypted key. */
  readonly passphrase?: string | undefined;
}

/**
 * All certificates that clients are shown, by name, without their keys. `by`, who writes, is logged; default: the plugin.
 *
 * @example
 * const due = certificates.list().filter(({ notAfter }) => notAfter - clock.now() < 30 * 86_400_000);
 * await certificates.put('shop.test', { cert, key });
 */
export interface ManagerCertificates {
  /** Returns all active certificates, sorted by name: those of the config, and those that operators put. */
  list(): readonly CertificateInfo[];
  get(name: string): CertificateInfo | undefined;
  /**
   * Puts a certificate in place of any with that name. When it resolves, the certificate is in the store, if there is
   * one, and the workers of this Weldr show it; in a cluster the other nodes follow. Rejects with INPUT_INVALID, whose
   * `field` is what is wrong (`cert`, `key`, `passphrase`), STORE_UNAVAILABLE, CONFLICT or LIMIT_REACHED.
   */
  put(name: string, pair: CertificatePair, by?: string): Promise<CertificateInfo>;
  /** Removes what was put; the config's certificate of that name, if there is one, is shown again. Rejects as `put` does. */
  remove(name: string, by?: string): Promise<void>;
  /** Follows certificates that come, change or go, until the plugin ends or the returned function is called. */
  observe(observer: CertificateObserver): () => void;
}

/** What {@link PluginCertificates} are made of. */
export interface PluginCertificatesOptions {
  readonly registry: CertificateRegistry;
  readonly state: State;
  /** The instance of the plugin. */
  readonly instance: string;
  /** Receives what the plugin's observers throw. */
  report(error: WeldrError): void;
}

/** The {@link ManagerCertificates} of one instance of a plugin, until it ends. */
export class PluginCertificates implements ManagerCertificates {
  readonly #options: PluginCertificatesOptions;
  readonly #stops = new Set<() => void>();

  constructor(options: PluginCertificatesOptions) {
    this.#options = options;
  }

  list(): readonly CertificateInfo[] {
    return this.#options.registry.list;
  }

  get(name: string): CertificateInfo | undefined {
    return this.#options.registry.get(name.toLowerCase());
  }

  async put(name: string, pair: CertificatePair, by = this.#by): Promise<CertificateInfo> {
    const { registry, state } = this.#options;
    const key = certificateName(name);
    await state.write([{ kind: certificateKindName, key, op: 'put', value: { ...pair } }], by);
    const info = registry.get(key);
    if (info === undefined)
      throw new WeldrError('CONFLICT', `the certificate ${key} was removed in the meantime`);
    return info;
  }

  async remove(name: string, by = this.#by): Promise<void> {
    const { state } = this.#options;
    const key = certificateName(name);
    const isOver = state.entity(certificateKindName, key)?.base !== undefined;
    await state.write([{ kind: certificateKindName, key, op: isOver ? 'forget' : 'remove' }], by);
  }

  observe(observer: CertificateObserver): () => void {
    const stop = this.#options.registry.observe((name, info) => this.#guard(() => observer(name, info)));
    const forget = (): void => {
      this.#stops.delete(forget);
      stop();
    };
    this.#stops.add(forget);
    return forget;
  }

  /** Called when the plugin has ended: it no longer follows anything. */
  close(): void {
    for (const stop of [...this.#stops]) stop();
  }

  get #by(): string {
    return `plugin ${this.#options.instance}`;
  }

  /** A plugin's mistake must not keep others from hearing of a change. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (thrown) {
      const why = `plugin ${this.#options.instance} in an observer of certificates: ${describeError(thrown)}`;
      this.#options.report(new WeldrError('PLUGIN_FAILED', why, { cause: thrown }));
    }
  }
}
