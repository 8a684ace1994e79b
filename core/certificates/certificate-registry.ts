// CertificateRegistry: all certificates of this Weldr by name: those of the config, with those that operators put over
// them.
import type { Logger } from 'pino';
import { WeldrError } from '../errors.ts';
import { type Base, shadowedBy } from '../state/entity.ts';
import type { Layer } from '../state/layer.ts';
import type { JsonObject } from '../state/merge-patch.ts';
import type { Mark } from '../state/row.ts';
import type { State } from '../state/state.ts';
import type { Clock } from '../time/clock.ts';
import type { Certificate } from './certificate.ts';
import { certificateKind, certificateKindName, certificateOf, certificateValue } from './certificate-kind.ts';
import type { TlsMaterials } from './listener-tls.ts';

/** The most certificates that operators may put: every worker gets all of them at each change. */
export const maxCertificates = 1_000;

/** An active certificate, without its key. */
export interface CertificateInfo {
  readonly name: string;
  /** The names and addresses that it covers, in lower case; a name may begin with `*.`, for one label. */
  readonly names: readonly string[];
  /** Who signed it. */
  readonly issuer: string;
  /** Such as `ec`, `rsa`, `ed25519`. */
  readonly keyType: string;
  /** SHA-256 of it, such as `AB:CD:…`. */
  readonly fingerprint: string;
  /** The time from which and until which it is valid, ms since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** `config`, or the operator's: `api`, `cluster`. */
  readonly layer: Layer;
  /** The layer of the certificate that it replaces, which is not shown. */
  readonly shadows?: Layer | undefined;
  /** The listeners that show it to clients that ask for an unknown name. */
  readonly defaultOf: readonly string[];
}

/** Receives a certificate that has changed; undefined: it is gone. */
export type CertificateObserver = (name: string, info: CertificateInfo | undefined) => void;

/** What has happened to a certificate. */
export interface CertificateChange {
  readonly name: string;
  readonly happened: 'added' | 'changed' | 'removed';
  readonly by: string;
  /** The sentence. */
  readonly text: string;
}

/** What a {@link CertificateRegistry} works with. */
export interface CertificateRegistryOptions {
  /** The state that holds operators' certificates, among others. */
  readonly state: State;
  readonly clock: Clock;
  /** Where operators' changes are logged; undefined: nowhere yet. */
  log?(): Logger | undefined;
  /** Receives each change, once the config is known. */
  tell?(change: CertificateChange): void;
}

/** All certificates of one manager. */
export class CertificateRegistry {
  private readonly options: CertificateRegistryOptions;
  private readonly observers = new Set<CertificateObserver>();
  /** Of the active config: the certificate, and its value in the state. */
  private configured = new Map<string, { readonly certificate: Certificate; readonly base: Base }>();
  /** The listeners that show a certificate by default, by its name. */
  private defaults: ReadonlyMap<string, readonly string[]> = new Map();
  /** What operators put. */
  private readonly byOperators = new Map<string, Certificate>();
  private hasConfig = false;
  private hasWarned = false;

  constructor(options: CertificateRegistryOptions) {
    this.options = options;
    options.state.register({
      kind: certificateKind(options.clock),
      base: name => this.configured.get(name)?.base,
      changed: (name, cause) => this.changed(name, cause),
      admit: (name, after) => this.admit(name, after !== undefined),
    });
  }

  /** Takes the config's certificates, at the start, at each reload, and when their files change. */
  setConfig(materials: TlsMaterials): void {
    const before = this.configured;
    const isFirst = !this.hasConfig;
    this.configured = new Map();
    const defaults = new Map<string, string[]>();
    for (const [listener, { certificates }] of Object.entries(materials)) {
      for (const certificate of certificates) {
        const base = { value: certificateValue(certificate), layer: 'config' } as const;
        this.configured.set(certificate.name, { certificate, base });
      }
      const [first] = certificates;
      if (first !== undefined) defaults.set(first.name, [...(defaults.get(first.name) ?? []), listener]);
    }
    this.defaults = defaults;
    this.hasConfig = true;
    for (const name of new Set([...before.keys(), ...this.configured.keys()])) {
      const [old, next] = [before.get(name)?.certificate, this.configured.get(name)?.certificate];
      if (old?.fingerprint === next?.fingerprint) continue;
      // An operator's certificate over it hides a change of the config's.
      if (!isFirst && !this.byOperators.has(name)) this.tellOfConfig(name, { before: old, now: next });
      this.notify(name);
    }
  }

  /** The certificates that operators put; of two for one name the newer one comes first. */
  get operators(): readonly Certificate[] {
    return [...this.byOperators.values()].sort(
      (a, b) => b.notBefore - a.notBefore || (a.name < b.name ? -1 : 1),
    );
  }

  /** Returns what is shown in place of a config's certificate; undefined: nothing. */
  over(certificate: Certificate): Certificate | undefined {
    const { name } = certificate;
    if (this.options.state.row(certificateKindName, name)?.op === 'remove') return undefined;
    return this.byOperators.get(name) ?? certificate;
  }

  /** All active certificates, by name. */
  get list(): readonly CertificateInfo[] {
    const names = new Set([...this.configured.keys(), ...this.byOperators.keys()]);
    return [...names].sort().flatMap(name => this.get(name) ?? []);
  }

  get(name: string): CertificateInfo | undefined {
    const entity = this.options.state.entity(certificateKindName, name);
    if (entity === undefined) return undefined;
    const { cert: _cert, key: _key, ...facts } = this.factsOf(name, entity.value);
    const shadows = shadowedBy(entity);
    return {
      ...facts,
      layer: entity.layer,
      ...(shadows !== undefined && { shadows }),
      defaultOf: this.defaults.get(name) ?? [],
    };
  }

  /** Follows all certificates until the returned function is called. */
  observe(observer: CertificateObserver): () => void {
    this.observers.add(observer);
    return () => void this.observers.delete(observer);
  }

  private factsOf(name: string, value: JsonObject): Certificate {
    const configured = this.configured.get(name);
    return configured?.base.value === value ? configured.certificate : certificateOf(name, value);
  }

  private changed(name: string, { by }: Mark): void {
    const { state } = this.options;
    const before = this.byOperators.get(name);
    const entity = state.entity(certificateKindName, name);
    const after = entity?.row === undefined ? undefined : certificateOf(name, entity.value);
    if (after === undefined) this.byOperators.delete(name);
    else this.byOperators.set(name, after);
    if (after !== undefined && before?.fingerprint === after.fingerprint && before.key === after.key) return;
    if (this.hasConfig) {
      const now = after ?? (entity && certificateOf(name, entity.value));
      const text = `certificate ${name} ${changeText({ before, after, now })}, by ${by}`;
      this.options.log?.()?.info(now === undefined ? {} : factsOf(now), text);
      const was = before ?? this.configured.get(name)?.certificate;
      this.options.tell?.({ name, happened: happenedTo({ before: was, now }), by, text });
    }
    if (after !== undefined && state.keepsPlain) this.warnOfPlain();
    this.notify(name);
  }

  private tellOfConfig(name: string, what: BeforeAndNow): void {
    const [by, happened] = ['the config', happenedTo(what)];
    const verb = { added: 'is new', changed: 'was replaced', removed: 'is removed' }[happened];
    this.options.tell?.({ name, happened, by, text: `certificate ${name} ${verb}, by ${by}` });
  }

  /** Logged once: more people can read a store than operators expect. */
  private warnOfPlain(): void {
    const log = this.options.log?.();
    if (log === undefined || this.hasWarned) return;
    this.hasWarned = true;
    log.warn('keys of certificates are stored unencrypted: give the plugin that stores them a keyFile');
  }

  private notify(name: string): void {
    const info = this.get(name);
    for (const observer of [...this.observers]) observer(name, info);
  }

  private admit(name: string, isPut: boolean): void {
    if (!isPut || this.byOperators.has(name) || this.byOperators.size < maxCertificates) return;
    throw new WeldrError(
      'LIMIT_REACHED',
      `operators have put ${maxCertificates} certificates already, which is the limit`,
    );
  }
}

/** `before` and `after`: the operators' certificate then and now; `now`: the active one. */
function changeText(what: Readonly<Record<'before' | 'after' | 'now', Certificate | undefined>>): string {
  if (what.now === undefined) return 'is removed';
  if (what.after === undefined) return 'is the config’s again';
  return what.before === undefined ? 'is new' : 'was replaced';
}

type BeforeAndNow = Readonly<Record<'before' | 'now', Certificate | undefined>>;

function happenedTo({ before, now }: BeforeAndNow): CertificateChange['happened'] {
  if (now === undefined) return 'removed';
  return before === undefined ? 'added' : 'changed';
}

/** Returns the fields of a log line about a certificate. */
export const factsOf = ({ names, issuer, notAfter }: Pick<Certificate, 'names' | 'issuer' | 'notAfter'>) => ({
  names,
  issuer,
  notAfter: new Date(notAfter).toISOString(),
});
