// The layout of the keys in etcd, and what their values say: `<prefix>v1/…`, JSON with a schema version.
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import { type StoreChange, type StoredEntry, storedEntry, storedSetting } from '../../core/pool/store.ts';
import { parse } from '../../core/settings/options.ts';

/** The version of what values hold; a value of another version is left alone. */
const schemaVersion = 1;

/** Where things are, under one prefix. */
export class ClusterKeys {
  private readonly root: string;

  /** `prefix` such as `/weldr/`: clusters with different prefixes share an etcd and nothing else. */
  constructor(prefix: string) {
    this.root = `${prefix}v1/`;
  }

  /** Every key below it is of one pool entry: `pools/<pool>/<id>`. */
  get pools(): string {
    return `${this.root}pools/`;
  }

  get settings(): string {
    return `${this.root}settings/`;
  }

  /** Held by the leader with its lease. */
  get leader(): string {
    return `${this.root}leader`;
  }

  /** How the last leadership ended; outlives it. */
  get lastLeader(): string {
    return `${this.root}last-leader`;
  }

  /** One key a node, with the node's lease: that it is there, and what its health checks say. */
  get nodes(): string {
    return `${this.root}nodes/`;
  }

  entry(pool: string, id: string): string {
    return `${this.pools}${encodeURIComponent(pool)}/${encodeURIComponent(id)}`;
  }

  setting(name: string): string {
    return `${this.settings}${encodeURIComponent(name)}`;
  }

  node(name: string): string {
    return `${this.nodes}${encodeURIComponent(name)}`;
  }

  /** The key of what a change is about; undefined for `reset`, which is about all. */
  of(change: StoreChange): string | undefined {
    if (change.op === 'put') return this.entry(change.entry.pool, change.entry.id);
    if (change.op === 'forget') return this.entry(change.pool, change.id);
    if (change.op === 'setting') return this.setting(change.setting.name);
    return undefined;
  }

  /** The change that brings a pool to what this key holds; text tells why it cannot be used. */
  read(key: string, value: string): StoreChange | string {
    try {
      const content = parse(z.looseObject({ schema: z.number() }), JSON.parse(value), 'INPUT_INVALID');
      if (content.schema !== schemaVersion)
        return `its schema is ${content.schema}, known is ${schemaVersion}`;
      const { schema: _, ...rest } = content;
      return this.isSetting(key) ? this.readSetting(key, rest) : this.readEntry(key, rest);
    } catch (thrown) {
      return describeError(thrown).replaceAll('\n', ', ').slice(0, 300);
    }
  }

  /** The change that tells that this key is gone; undefined when it is none of ours. */
  gone(key: string): StoreChange | undefined {
    const parts = this.parts(key);
    if (parts === undefined) return undefined;
    if (this.isSetting(key)) return { op: 'setting', setting: { name: parts[0] ?? '', value: undefined } };
    return { op: 'forget', pool: parts[0] ?? '', id: parts[1] ?? '' };
  }

  private isSetting(key: string): boolean {
    return key.startsWith(this.settings);
  }

  private parts(key: string): string[] | undefined {
    const setting = this.isSetting(key);
    const parts = key.slice((setting ? this.settings : this.pools).length).split('/');
    if (parts.length !== (setting ? 1 : 2)) return undefined;
    try {
      return parts.map(decodeURIComponent);
    } catch {
      return undefined;
    }
  }

  private readSetting(key: string, content: object): StoreChange | string {
    const name = this.parts(key)?.[0];
    if (name === undefined) return 'its key is not of a setting';
    return { op: 'setting', setting: parse(storedSetting, { ...content, name }, 'INPUT_INVALID') };
  }

  private readEntry(key: string, content: object): StoreChange | string {
    const [pool, id] = this.parts(key) ?? [];
    if (pool === undefined || id === undefined) return 'its key is not of a server';
    return { op: 'put', entry: parse(storedEntry, { ...content, pool, id }, 'INPUT_INVALID') };
  }
}

/** The value of an entry's key. The same entry has the same text always, so that texts can be compared. */
export function entryValue(entry: StoredEntry): string {
  const { kind } = entry;
  return stableJson({ schema: schemaVersion, kind, ...(kind === 'added' && { server: entry.server }) });
}

/** The value of a setting's key. */
export function settingValue(value: unknown): string {
  return stableJson({ schema: schemaVersion, value });
}

function stableJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** The end of the range of all keys that begin with `prefix`. */
export function afterPrefix(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
