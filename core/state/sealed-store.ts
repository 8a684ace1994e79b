// SealedStore: a store in front of another one, so that TLS keys are stored encrypted.
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { WeldrError } from '../errors.ts';
import type { OperatorLayer } from './layer.ts';
import { isObject, type JsonObject } from './merge-patch.ts';
import { type Batch, type Row, type RowChange, rowId } from './row.ts';
import type { StateStore } from './store.ts';

/** Bytes of a key. */
export const secretKeyLength = 32;
const cipher = 'aes-256-gcm';
const nonceLength = 12;
const tagLength = 16;

/** The place of the secret in the value of a row. */
const secretPathOf = (kind: string): readonly [string, string?] =>
  kind === 'certificate' ? ['key'] : ['tls', 'key'];

/**
 * Encrypts `tls.key` of rows, and `key` of certificates, with AES-256-GCM, bound to kind and key of the row. The nonce is
 * an HMAC of row and text, so the same secret of the same row always has the same text and stores can compare (as SIV
 * modes do, RFC 8452).
 */
export class SealedStore implements StateStore {
  readonly seals = true;
  private readonly store: StateStore;
  private readonly secret: Buffer;

  constructor(store: StateStore, secret: Buffer) {
    if (secret.length !== secretKeyLength) throw new RangeError(`a key has ${secretKeyLength} bytes`);
    this.store = store;
    this.secret = secret;
  }

  get layer(): OperatorLayer {
    return this.store.layer;
  }

  get stale(): boolean {
    return this.store.stale ?? false;
  }

  get expires(): boolean {
    return this.store.expires ?? false;
  }

  /** Rejects with CONFIG_INVALID when a row was sealed with another key. */
  async load(): Promise<readonly Row[]> {
    return (await this.store.load()).map(row => this.opened(row));
  }

  async write(batch: Batch): Promise<Batch | undefined> {
    const newer = await this.store.write(withRows(batch, row => this.sealed(row)));
    return newer === undefined ? undefined : withRows(newer, row => this.openedOrAsItIs(row));
  }

  async confirm(rows: readonly Pick<RowChange, 'kind' | 'key'>[]): Promise<void> {
    await this.store.confirm?.(rows);
  }

  watch(listener: (batch: Batch) => void): void {
    this.store.watch?.(batch => listener(withRows(batch, row => this.openedOrAsItIs(row))));
  }

  private sealed(row: Row): Row {
    return withSecret(row, text => (typeof text === 'string' ? { sealed: this.encrypt(row, text) } : text));
  }

  private opened(row: Row): Row {
    return withSecret(row, part => (isSealed(part) ? this.decrypt(row, part.sealed) : part));
  }

  /** A secret that another node sealed with a different key cannot be used, and its row says so. */
  private openedOrAsItIs(row: Row): Row {
    try {
      return this.opened(row);
    } catch {
      return row;
    }
  }

  private encrypt(row: Row, text: string): string {
    const about = rowId(row.kind, row.key);
    const nonce = createHmac('sha256', this.secret)
      .update(`${about}\n${text}`)
      .digest()
      .subarray(0, nonceLength);
    const encryption = createCipheriv(cipher, this.secret, nonce).setAAD(Buffer.from(about));
    const body = Buffer.concat([encryption.update(text, 'utf8'), encryption.final()]);
    return Buffer.concat([nonce, encryption.getAuthTag(), body]).toString('base64');
  }

  private decrypt(row: Row, sealed: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const decryption = createDecipheriv(cipher, this.secret, bytes.subarray(0, nonceLength))
        .setAAD(Buffer.from(rowId(row.kind, row.key)))
        .setAuthTag(bytes.subarray(nonceLength, nonceLength + tagLength));
      const body = decryption.update(bytes.subarray(nonceLength + tagLength));
      return Buffer.concat([body, decryption.final()]).toString('utf8');
    } catch (thrown) {
      throw new WeldrError(
        'CONFIG_INVALID',
        `the TLS key of ${row.kind} ${row.key} was encrypted with a key other than keyFile’s, or was changed`,
        { cause: thrown, field: 'keyFile' },
      );
    }
  }
}

/** Replaces a secret that is not shown. */
export const leftOut = '(left out)';

/** Returns a row without its secrets. */
export const withoutSecrets = (row: Row): Row =>
  withSecret(row, part => (part === undefined || part === null ? part : leftOut));

/** Returns where a secret was left out of a row, such as `tls.key`; undefined: nowhere. */
export function lackingSecret(row: Row): string | undefined {
  const path = secretPathOf(row.kind);
  return secretOf(row, path) === leftOut ? path.join('.') : undefined;
}

function withRows(batch: Batch, change: (row: Row) => Row): Batch {
  const changes = batch.changes.map(one => (one.row === undefined ? one : { ...one, row: change(one.row) }));
  return { ...batch, changes };
}

function secretOf({ value }: Row, [first, second]: readonly [string, string?]): unknown {
  const outer = value?.[first];
  if (second === undefined) return outer;
  return isObject(outer) ? outer[second] : undefined;
}

/** Returns a row with another secret; the row itself if it has none. */
function withSecret(row: Row, change: (part: unknown) => unknown): Row {
  const path = secretPathOf(row.kind);
  const before = secretOf(row, path);
  const part = before === undefined ? undefined : change(before);
  if (part === before) return row;
  const [first, second] = path;
  const outer = row.value?.[first];
  const inner = second === undefined || !isObject(outer) ? part : { ...outer, [second]: part };
  const value: JsonObject = { ...row.value, [first]: inner };
  return { ...row, value };
}

function isSealed(part: unknown): part is { readonly sealed: string } {
  return isObject(part) && typeof part['sealed'] === 'string';
}
