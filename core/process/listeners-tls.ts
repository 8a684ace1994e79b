// ListenersTls: the TLS materials of one config's listeners, read from files, and again when the files change.
import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Certificate } from '../certificates/certificate.ts';
import { DistinctNames } from '../certificates/certificate-name.ts';
import { factsOf } from '../certificates/certificate-registry.ts';
import type { TlsMaterial, TlsMaterials } from '../certificates/listener-tls.ts';
import { readTls } from '../certificates/tls-reading.ts';
import { describeError, WeldrError } from '../errors.ts';
import type { Listen } from '../settings/listen.ts';
import type { Clock } from '../time/clock.ts';

/** How often the files are checked, ms; less often if there are thousands. */
const lookInterval = 1_000;

/** The part of a listener that matters here. */
type TlsEntry = Pick<Listen, 'name' | 'tls'>;

/** What was read for the listeners of a config. */
export class ListenersTls {
  materials: TlsMaterials;
  private readonly listens: readonly TlsEntry[];
  private readonly fieldOf: (index: number) => string;
  private paths: readonly string[];
  /** The state of the files when they were last read. */
  private state: string;
  private stop: (() => void) | undefined;

  /** Throws CONFIG_INVALID, with the place, for what cannot be read or used; `fieldOf` returns the place of an entry's `tls`. */
  constructor(listens: readonly TlsEntry[], fieldOf = (index: number) => `listen[${index}].tls`) {
    this.listens = listens;
    this.fieldOf = fieldOf;
    const { materials, paths } = read(listens, fieldOf);
    this.materials = materials;
    this.paths = paths;
    this.state = stateOf(paths);
  }

  /** Checks the files from now on; calls `changed` when `materials` have changed. */
  watch(clock: Clock, log: Logger, changed: () => void): void {
    if (this.paths.length === 0) return;
    this.stop = clock.every(Math.max(lookInterval, this.paths.length), () => {
      if (this.look(log)) changed();
    });
  }

  close(): void {
    this.stop?.();
  }

  /** Reads the files again if they changed; true: they were read successfully. */
  private look(log: Logger): boolean {
    const state = stateOf(this.paths);
    if (state === this.state) return false;
    // A key and its certificate are written one after the other: the next check finds both.
    this.state = state;
    try {
      const { materials, paths } = read(this.listens, this.fieldOf);
      const before = new Set(certificatesOf(this.materials).map(({ fingerprint }) => fingerprint));
      this.materials = materials;
      this.paths = paths;
      for (const certificate of certificatesOf(materials)) {
        if (!before.has(certificate.fingerprint))
          log.info(factsOf(certificate), `certificate ${certificate.name} is new`);
      }
      return true;
    } catch (thrown) {
      if (!(thrown instanceof WeldrError)) throw thrown;
      log.error(`the certificates stay as they were: ${describeError(thrown)}`);
      return false;
    }
  }
}

/** All certificates, each once. */
export function certificatesOf(materials: TlsMaterials): Certificate[] {
  const all = Object.values(materials).flatMap(({ certificates }) => certificates);
  return [...new Map(all.map(certificate => [certificate.fingerprint, certificate])).values()];
}

function read(
  listens: readonly TlsEntry[],
  fieldOf: (index: number) => string,
): { materials: TlsMaterials; paths: readonly string[] } {
  const paths = new Set<string>();
  const materials: Record<string, TlsMaterial> = {};
  const names = new DistinctNames();
  for (const [n, { name, tls }] of listens.entries()) {
    if (tls === undefined) continue;
    const reading = readTls(tls, fieldOf(n));
    const { material } = reading;
    materials[name] = { ...material, certificates: material.certificates.map(one => names.named(one)) };
    for (const path of reading.paths) paths.add(path);
  }
  return { materials, paths: [...paths] };
}

/** Returns a text that changes whenever one of the files does. */
function stateOf(paths: readonly string[]): string {
  return JSON.stringify(
    paths.map(path => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? null : [stat.ino, stat.size, stat.mtimeMs];
    }),
  );
}
