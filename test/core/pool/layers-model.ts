// Random sequences of what sources, the config, operators, reloads and restarts do to servers, against a naive model.
import * as assert from 'uvu/assert';
import type { DiscoverySource } from '../../../core/pool/discovery-source.ts';
import { ManagedPools } from '../../../core/pool/managed-pools.ts';
import { PluginPools } from '../../../core/pool/manager-pools.ts';
import { Pools } from '../../../core/pool/pools.ts';
import type { ServerDefinition } from '../../../core/pool/server-definition.ts';
import { FakeClock } from '../../../core/testing.ts';
import { KeptRows } from '../../support/kept-rows.ts';
import { randomOf } from '../../support/random.ts';

const pools = ['default', 'blue'];
const ids = ['http://a:1', 'http://b:1', 'http://c:1', 'http://d:1', 'http://e:1'];
const plugins = ['dns', 'file', 'consul'];

interface Wanted {
  readonly weight: number;
  readonly layer: string;
}

const server = (url: string, weight: number): ServerDefinition => ({
  url,
  weight,

  state: 'active',
});

/** An operator's row: a whole server, a weight over the base, or a removal. */
type Word = { readonly define: number } | { readonly patch: number } | 'removed';

/** What each layer defines, in the plainest form. */
class Model {
  readonly config = new Map<string, number>();
  readonly operator = new Map<string, Word>();
  /** By plugin; each has one source. */
  readonly found = new Map<string, Map<string, number>>();
  order: string[] = [...plugins];

  wanted(key: string): Wanted | undefined {
    const word = this.operator.get(key);
    const base = this.base(key);
    if (word === undefined) return base;
    if (word === 'removed') return undefined;
    if ('define' in word) return { weight: word.define, layer: 'api' };
    return base && { weight: word.patch, layer: base.layer };
  }

  /** An operator wants this weight. */
  write(key: string, weight: number): void {
    const base = this.base(key);
    const word = this.operator.get(key);
    const isWhole = typeof word === 'object' && 'define' in word;
    if (base === undefined || isWhole) this.operator.set(key, { define: weight });
    else if (base.weight === weight) this.operator.delete(key);
    else this.operator.set(key, { patch: weight });
  }

  base(key: string): Wanted | undefined {
    const configured = this.config.get(key);
    if (configured !== undefined) return { weight: configured, layer: 'config' };
    for (const plugin of this.order) {
      const weight = this.found.get(plugin)?.get(key);
      if (weight !== undefined) return { weight, layer: `discovered:${plugin}` };
    }
    return undefined;
  }
}

class Run {
  readonly random: (n: number) => number;
  readonly model = new Model();
  readonly store = new KeptRows();
  replica = new Pools();
  managed: ManagedPools;
  readonly verdicts = new Map<string, Map<string, string>>();
  started = new Map<string, { own: PluginPools; source: DiscoverySource }>();
  readonly done: string[] = [];

  constructor(seed: number) {
    this.random = randomOf(seed);
    this.managed = this.newManaged();
  }

  newManaged(): ManagedPools {
    const replica = new Pools();
    const managed = new ManagedPools({ clock: new FakeClock(), drainTimeout: 30_000, workers: () => [1] });
    managed.observe({
      changes: batch => {
        for (const change of batch) replica.apply(change);
      },
      removed: ({ pool, id }) => void this.verdicts.delete(`${pool} ${id}`),
    });
    this.replica = replica;
    return managed;
  }

  /** A new process: the config and the operators' rows are loaded again, what plugins found and judged is lost. */
  async boot(): Promise<void> {
    this.managed = this.newManaged();
    this.verdicts.clear();
    this.model.found.clear();
    this.model.order = [...plugins];
    this.start(plugins);
    this.configure();
    await this.managed.useStore(this.store);
    this.managed.retain(plugins);
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.random(list.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  }

  some(): [string, number][] {
    return ids.filter(() => this.random(2) === 0).map(id => [id, 1 + this.random(3)]);
  }

  start(names: readonly string[]): void {
    this.started = new Map();
    for (const name of names) {
      const own = new PluginPools({ pools: this.managed, instance: name, report: assert.unreachable });
      this.started.set(name, { own, source: own.source(name) });
    }
  }

  async step(): Promise<void> {
    const pool = this.pick(pools);
    const id = this.pick(ids);
    const key = `${pool} ${id}`;
    const kind = this.random(12);
    this.done.push(`${kind} ${key}`);
    if (kind <= 3) this.replace(pool);
    else if (kind === 4) this.setConfig();
    else if (kind === 5) await this.add(pool, id);
    else if (kind === 6) await this.update(pool, id);
    else if (kind === 7) await this.remove(pool, id);
    else if (kind === 8) this.reload();
    else if (kind === 9) this.managed.workerIdle(1, pool, id);
    else if (kind === 10) this.judge(pool, id);
    else if (this.random(4) > 0) await this.boot();
    else {
      await this.managed.state.reset('a test');
      this.model.operator.clear();
    }
  }

  replace(pool: string): void {
    const [name = '', { source }] = this.pick([...this.started]);
    const list = this.some();
    const known = this.model.found.get(name) ?? new Map<string, number>();
    const before = new Map([...known].filter(([key]) => key.startsWith(`${pool} `)));
    const after = new Map(list.map(([id, weight]) => [`${pool} ${id}`, weight]));
    const counts = source.replace(
      pool,
      list.map(([url, weight]) => ({ url, weight })),
    );
    assert.equal(counts, {
      added: [...after.keys()].filter(key => !before.has(key)).length,
      removed: [...before.keys()].filter(key => !after.has(key)).length,
      changed: [...after].filter(([key, weight]) => before.has(key) && before.get(key) !== weight).length,
    });
    for (const key of before.keys()) known.delete(key);
    for (const [key, weight] of after) known.set(key, weight);
    this.model.found.set(name, known);
  }

  setConfig(): void {
    this.model.config.clear();
    for (const pool of pools) {
      for (const [id, weight] of this.some()) this.model.config.set(`${pool} ${id}`, weight);
    }
    this.configure();
  }

  configure(): void {
    const listed = (pool: string) =>
      ids.flatMap(id => {
        const weight = this.model.config.get(`${pool} ${id}`);
        return weight === undefined ? [] : [server(id, weight)];
      });
    this.managed.setConfig(Object.fromEntries(pools.map(pool => [pool, listed(pool)])));
  }

  async add(pool: string, id: string): Promise<void> {
    const weight = 1 + this.random(9);
    await this.managed.add(pool, server(id, weight));
    this.model.write(`${pool} ${id}`, weight);
  }

  async update(pool: string, id: string): Promise<void> {
    const key = `${pool} ${id}`;
    const weight = 1 + this.random(9);
    if (this.model.wanted(key) === undefined) return;
    await this.managed.update(pool, id, { weight });
    this.model.write(key, weight);
  }

  async remove(pool: string, id: string): Promise<void> {
    const key = `${pool} ${id}`;
    if (this.model.wanted(key) === undefined) return;
    await this.managed.remove(pool, id, { force: this.random(3) === 0 });
    if (this.model.base(key) === undefined) this.model.operator.delete(key);
    else this.model.operator.set(key, 'removed');
  }

  /** Some plugins stay, in another order; a removed one takes its servers and its verdicts along. */
  reload(): void {
    for (const { own } of this.started.values()) own.close();
    const next = plugins.filter(() => this.random(4) > 0).sort(() => this.random(3) - 1);
    const before = this.managed.revision;
    this.start(next.length > 0 ? next : ['dns']);
    assert.is(this.managed.revision, before, 'nothing changes before the reload is over');
    const names = [...this.started.keys()];
    this.managed.retain(names);
    this.model.order = names;
    for (const name of this.model.found.keys()) if (!names.includes(name)) this.model.found.delete(name);
    for (const complaints of this.verdicts.values()) {
      for (const name of complaints.keys()) if (!names.includes(name)) complaints.delete(name);
    }
  }

  judge(pool: string, id: string): void {
    const [name = '', { own }] = this.pick([...this.started]);
    const complaint = this.random(2) === 0 ? undefined : 'unwell';
    own.verdict(pool, id, complaint);
    if (this.managed.get(pool, id) === undefined) return;
    const key = `${pool} ${id}`;
    const complaints = this.verdicts.get(key) ?? new Map<string, string>();
    if (complaint === undefined) complaints.delete(name);
    else complaints.set(name, complaint);
    this.verdicts.set(key, complaints);
  }

  check(): void {
    for (const pool of pools) {
      for (const id of ids) {
        const key = `${pool} ${id}`;
        const entry = this.managed.get(pool, id);
        const wanted = this.model.wanted(key);
        if (wanted === undefined) {
          if (entry !== undefined) assert.is(entry.upstream.state, 'draining', key);
          continue;
        }
        assert.ok(entry, key);
        const { state, weight, layer } = entry.upstream.record;
        const ill = (this.verdicts.get(key)?.size ?? 0) > 0;
        assert.equal({ state, weight, layer }, { state: ill ? 'down' : 'active', ...wanted }, key);
      }
      assert.equal(
        [...(this.replica.get(pool) ?? [])].map(upstream => upstream.record),
        [...(this.managed.pool(pool) ?? [])].map(upstream => upstream.record),
      );
    }
  }
}

/** Runs sequences of seeds `from` up to `to`, and names the first that fails. */
export async function runLayersModel(from: number, to: number, steps: number): Promise<void> {
  for (let seed = from; seed < to; seed++) {
    const run = new Run(seed);
    await run.boot();
    for (let step = 0; step < steps; step++) {
      await run.step();
      try {
        run.check();
      } catch (thrown) {
        const last = run.done.slice(-8).join(', ');
        throw new Error(`seed ${seed}, step ${step}, the last steps: ${last}`, { cause: thrown });
      }
    }
  }
}
