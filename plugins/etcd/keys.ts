// ClusterKeys: the layout of the keys in etcd, and how their values are read: `<prefix>v2/KIND/KEY` holds a row as JSON.
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import { parse } from '../../core/options/options.ts';
import {
  firstEntry,
  firstSetting,
  rowOfFirstEntry,
  rowOfFirstSetting,
} from '../../core/pool/first-format.ts';
import { stableJson } from '../../core/state/merge-patch.ts';
import { type Mark, type Row, type RowChange, storedRow } from '../../core/state/row.ts';

/** The `schema` in values of the first format. */
const firstSchema = 1;

/** The keys under one prefix. */
export class ClusterKeys {
  private readonly prefix: string;

  /** `prefix`, such as `/weldr/`: clusters with different prefixes can share an etcd. */
  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** The prefix of all rows; each has a key `KIND/KEY` below it, both parts percent-encoded. */
  get rows(): string {
    return `${this.prefix}v2/`;
  }

  /** Exists once the rows of the first format have been converted. */
  get migrated(): string {
    return `${this.prefix}v2-migrated`;
  }

  /** The prefixes under which the first format kept servers and settings. */
  get first(): readonly string[] {
    return [this.firstPools, this.firstSettings];
  }

  /** Held by the leader with its lease. */
  get leader(): string {
    return `${this.prefix}v1/leader`;
  }

  /** How the last leadership ended; outlives it. */
  get lastLeader(): string {
    return `${this.prefix}v1/last-leader`;
  }

  /** A random text, written once, which distinguishes this etcd from all others. */
  get clusterIdentity(): string {
    return `${this.prefix}v1/cluster-identity`;
  }

  /** The prefix of the nodes' reports; each has a key with the node's lease. */
  get nodes(): string {
    return `${this.prefix}v1/nodes/`;
  }

  /** The prefix of the board, which every node follows: see `board.ts`. */
  get board(): string {
    return `${this.prefix}v1/board/`;
  }

  /** A node's candidacy, with a lease. */
  candidacy(name: string): string {
    return `${this.board}candidates/${encodeURIComponent(name)}`;
  }

  /** Exists while a node is in maintenance. */
  maintenance(name: string): string {
    return `${this.board}maintenance/${encodeURIComponent(name)}`;
  }

  /** The hand-over under way, with a lease. */
  get handOver(): string {
    return `${this.board}hand-over`;
  }

  /** Returns what a key of the board is about; undefined: it is unknown. */
  onBoard(key: string): { readonly kind: string; readonly node: string } | undefined {
    if (key === this.handOver) return { kind: 'hand-over', node: '' };
    const [kind, node] = partsOf(key, this.board, 2) ?? [];
    return kind === undefined || node === undefined ? undefined : { kind, node };
  }

  /** The nodes that may stand with failsafe; only the leader writes it. */
  get failsafeList(): string {
    return `${this.prefix}v1/failsafe-list`;
  }

  /** The prefix of the addresses at which candidates with failsafe are asked; each has a key with a separate lease. */
  get failsafeNodes(): string {
    return `${this.prefix}v1/failsafe-nodes/`;
  }

  failsafeNode(name: string): string {
    return `${this.failsafeNodes}${encodeURIComponent(name)}`;
  }

  row(kind: string, key: string): string {
    return `${this.rows}${encodeURIComponent(kind)}/${encodeURIComponent(key)}`;
  }

  node(name: string): string {
    return `${this.nodes}${encodeURIComponent(name)}`;
  }

  /** Returns the row that a key holds, or as text why it is unusable. */
  read(key: string, value: string): Row | string {
    const identity = this.identity(key);
    if (identity === undefined) return 'its key is not that of a row';
    try {
      return parse(
        storedRow,
        { ...parse(object, JSON.parse(value), 'INPUT_INVALID'), ...identity },
        'INPUT_INVALID',
      );
    } catch (thrown) {
      return reasonOf(thrown);
    }
  }

  /** Returns which row a key belongs to; undefined: it is not a key of a row. */
  identity(key: string): Pick<Row, 'kind' | 'key'> | undefined {
    const [kind, name] = partsOf(key, this.rows, 2) ?? [];
    return kind === undefined || name === undefined ? undefined : { kind, key: name };
  }

  /** Returns a key of the first format as a row, or as text why it is unusable. */
  readFirst(key: string, value: string, mark: Mark): RowChange | string {
    try {
      const { schema, ...content } = parse(firstValue, JSON.parse(value), 'INPUT_INVALID');
      if (schema !== firstSchema) return `its schema is ${schema}, expected ${firstSchema}`;
      const [name] = partsOf(key, this.firstSettings, 1) ?? [];
      if (name !== undefined) {
        return rowOfFirstSetting(parse(firstSetting, { ...content, name }, 'INPUT_INVALID'), mark);
      }
      const [pool, id] = partsOf(key, this.firstPools, 2) ?? [];
      return rowOfFirstEntry(parse(firstEntry, { ...content, pool, id }, 'INPUT_INVALID'), mark);
    } catch (thrown) {
      return reasonOf(thrown);
    }
  }

  private get firstPools(): string {
    return `${this.prefix}v1/pools/`;
  }

  private get firstSettings(): string {
    return `${this.prefix}v1/settings/`;
  }
}

const object = z.looseObject({});
const firstValue = z.looseObject({ schema: z.number() });

/** Returns the value of a row's key. Equal rows have equal text, so that texts can be compared. */
export function rowValue({ kind: _kind, key: _key, ...rest }: Row): string {
  return stableJson(rest);
}

/** Returns how long a row lasts unless it is renewed, ms; undefined: for good. */
export function lifetimeOf(row: Row | undefined): number | undefined {
  const ttl = row?.value?.['ttl'];
  return typeof ttl === 'number' ? ttl : undefined;
}

function partsOf(key: string, prefix: string, count: number): string[] | undefined {
  if (!key.startsWith(prefix)) return undefined;
  const parts = key.slice(prefix.length).split('/');
  if (parts.length !== count) return undefined;
  try {
    return parts.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

function reasonOf(thrown: unknown): string {
  return describeError(thrown).replaceAll('\n', ', ').slice(0, 300);
}

/** Returns the end of the range of all keys that begin with `prefix`. */
export function afterPrefix(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
