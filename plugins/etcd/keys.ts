// The layout of the keys in etcd, and what their values say: `<prefix>v2/KIND/KEY`, a row as JSON.
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import {
  firstEntry,
  firstSetting,
  rowOfFirstEntry,
  rowOfFirstSetting,
} from '../../core/pool/first-format.ts';
import { parse } from '../../core/settings/options.ts';
import { stableJson } from '../../core/state/merge-patch.ts';
import { type Mark, type Row, type RowChange, storedRow } from '../../core/state/row.ts';

/** The version of what values of the first format held. */
const firstSchema = 1;

/** Where things are, under one prefix. */
export class ClusterKeys {
  private readonly prefix: string;

  /** `prefix` such as `/weldr/`: clusters with different prefixes share an etcd and nothing else. */
  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** Every key below it is of one row: `KIND/KEY`, both percent-encoded. */
  get rows(): string {
    return `${this.prefix}v2/`;
  }

  /** There once the rows of the first format were taken over. */
  get migrated(): string {
    return `${this.prefix}v2-migrated`;
  }

  /** Where the first format kept servers and settings. */
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

  /** A random text that tells this etcd from all others; written once. */
  get clusterIdentity(): string {
    return `${this.prefix}v1/cluster-identity`;
  }

  /** One key a node, with the node's lease: that it is there, and what its health checks say. */
  get nodes(): string {
    return `${this.prefix}v1/nodes/`;
  }

  /** What nodes and operators say of who is to lead: see `board.ts`. Short, and followed by every node. */
  get board(): string {
    return `${this.prefix}v1/board/`;
  }

  /** What a node says of itself as a candidate, with a lease. */
  candidacy(name: string): string {
    return `${this.board}candidates/${encodeURIComponent(name)}`;
  }

  /** There while a node is in maintenance. */
  maintenance(name: string): string {
    return `${this.board}maintenance/${encodeURIComponent(name)}`;
  }

  /** The hand-over that is under way, with a lease. */
  get handOver(): string {
    return `${this.board}hand-over`;
  }

  /** What a key of the board is about; undefined: nothing that is known. */
  onBoard(key: string): { readonly kind: string; readonly node: string } | undefined {
    if (key === this.handOver) return { kind: 'hand-over', node: '' };
    const [kind, node] = partsOf(key, this.board, 2) ?? [];
    return kind === undefined || node === undefined ? undefined : { kind, node };
  }

  /** Who may stand, where failsafe is on: written by the leader alone. */
  get failsafeList(): string {
    return `${this.prefix}v1/failsafe-list`;
  }

  /** One key a candidate with failsafe, with a lease of its own: where it is asked. */
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

  /** The row that a key holds; text tells why it cannot be used. */
  read(key: string, value: string): Row | string {
    const identity = this.identity(key);
    if (identity === undefined) return 'its key is not of a row';
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

  /** Which row a key is of; undefined: it is none of ours. */
  identity(key: string): Pick<Row, 'kind' | 'key'> | undefined {
    const [kind, name] = partsOf(key, this.rows, 2) ?? [];
    return kind === undefined || name === undefined ? undefined : { kind, key: name };
  }

  /** What a key of the first format says, as a row; text tells why it cannot be used. */
  readFirst(key: string, value: string, mark: Mark): RowChange | string {
    try {
      const { schema, ...content } = parse(firstValue, JSON.parse(value), 'INPUT_INVALID');
      if (schema !== firstSchema) return `its schema is ${schema}, known is ${firstSchema}`;
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

/** The value of a row's key. The same row has the same text always, so that texts can be compared. */
export function rowValue({ kind: _kind, key: _key, ...rest }: Row): string {
  return stableJson(rest);
}

/** For how long a row stands unless it is renewed, ms; undefined: for good. */
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

/** The end of the range of all keys that begin with `prefix`. */
export function afterPrefix(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
