// Ledger: the state of orders in the store, so that a restart or another node continues where this one stopped.
import { z } from 'zod';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import type { Setting } from '../../core/state/settings.ts';

const settingName = 'acme';
const accountName = 'acme-account';

const failure = z.strictObject({
  /** The last part of its type, such as `rateLimited`. */
  type: z.string(),
  detail: z.string(),
  domain: z.string().optional(),
  remedy: z.string().optional(),
  /** ms since the epoch. */
  at: z.number(),
});

/** Why the last attempt failed. */
export type Failure = z.output<typeof failure>;

const entry = z.strictObject({
  /** In a row. */
  failures: z.number().default(0),
  /** No attempt before this, ms since the epoch; without a failure: no renewal. */
  notBefore: z.number().optional(),
  lastFailure: failure.optional(),
  /** The directory and the fingerprint (SHA-256) of the certificate: a different one of this name is not this plugin's. */
  directory: z.string().optional(),
  fingerprint: z.string().optional(),
});

/** The entry of one certificate. */
export type LedgerEntry = z.output<typeof entry>;

const contents = z.strictObject({
  certificates: z.record(z.string(), entry).default({}),
  /** Answers to challenges, by token, if the authority may reach other nodes. */
  challenges: z.record(z.string(), z.string()).default({}),
});

/** The place for secrets of settings, which the store encrypts if it has a key. */
const account = z.strictObject({
  directory: z.string().default(''),
  tls: z.strictObject({ key: z.string().default('') }).prefault({}),
});

const none: LedgerEntry = { failures: 0 };

/** Changes of an entry; undefined removes a field. */
export type LedgerChange = { readonly [Field in keyof LedgerEntry]?: LedgerEntry[Field] | undefined };

/** The ledger of one Weldr, or of its cluster. */
export class Ledger {
  private readonly operator: OperatorPools;
  private readonly setting: Setting<z.output<typeof contents>>;
  private readonly account: Setting<z.output<typeof account>>;

  /** @param changed called after each change, here or on another node */
  constructor(pools: ManagerPools, operator: OperatorPools, changed: () => void) {
    this.operator = operator;
    this.setting = pools.setting(settingName, {
      schema: contents,
      base: contents.parse({}),
      changed,
      isInternal: true,
    });
    this.account = pools.setting(accountName, {
      schema: account,
      base: account.parse({}),
      changed,
      isInternal: true,
    });
  }

  entry(name: string): LedgerEntry {
    const { certificates } = this.setting.value;
    return Object.hasOwn(certificates, name) ? (certificates[name] ?? none) : none;
  }

  /** Answers to challenges for all nodes. */
  get challenges(): Readonly<Record<string, string>> {
    return this.setting.value.challenges;
  }

  /** Returns the key of the account with a directory, PEM; undefined: there is none yet. */
  accountKey(directory: string): string | undefined {
    const { value } = this.account;
    return value.directory === directory && value.tls.key !== '' ? value.tls.key : undefined;
  }

  async keepAccount(directory: string, key: string): Promise<void> {
    await this.operator.write([
      { kind: 'setting', key: accountName, op: 'put', value: { directory, tls: { key } } },
    ]);
  }

  /** Resolves when the change is durable; `certificate` is stored with it, or neither is. */
  async change(
    name: string,
    change: LedgerChange,
    certificate?: { readonly cert: string; readonly key: string },
  ): Promise<void> {
    const fields = Object.fromEntries(
      Object.entries(change).map(([field, value]) => [field, value === undefined ? null : value]),
    );
    await this.operator.write([
      ...(certificate === undefined
        ? []
        : [{ kind: 'certificate', key: name, op: 'put', value: certificate } as const]),
      { kind: 'setting', key: settingName, op: 'patch', value: { certificates: { [name]: fields } } },
    ]);
  }

  async setChallenges(answers: Readonly<Record<string, string>>): Promise<void> {
    const gone = Object.keys(this.challenges).map(token => [token, null]);
    const value = { challenges: { ...Object.fromEntries(gone), ...answers } };
    await this.operator.write([{ kind: 'setting', key: settingName, op: 'patch', value }]);
  }
}
