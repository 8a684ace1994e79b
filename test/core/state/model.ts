// Random sequences of what config, operators, stores and restarts do to one kind, against a model that keeps each
// field separately: which layer set it last, and to what.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import type { Kind } from '../../../core/state/entity.ts';
import { expectObject, parseKnown, parseObject } from '../../../core/state/known-fields.ts';
import type { JsonObject } from '../../../core/state/merge-patch.ts';
import { State } from '../../../core/state/state.ts';
import type { Write } from '../../../core/state/write.ts';
import { FakeClock } from '../../../core/testing.ts';
import { KeptRows } from '../../support/kept-rows.ts';
import { randomOf } from '../../support/random.ts';

const schema = z.strictObject({
  name: z.string(),
  weight: z.number().int().min(1).max(9).default(1),
  state: z.enum(['active', 'draining']).default('active'),
  check: z.strictObject({ path: z.string().optional(), port: z.number().optional() }).optional(),
});

const kind: Kind = {
  name: 'thing',
  identity: ['name'],
  secret: [],
  isKey: () => true,
  knows: field => field in schema.shape,
  describe: key => `thing ${key}`,
  lifetime: () => undefined,
  parse: (_, value) => parseObject(schema, value),
  read: (_, value, ignored) => expectObject(parseKnown(schema, value, ignored)),
};

const keys = ['a', 'b', 'c'];

/** One leaf of a thing: `weight`, `check.path`. */
type Leaves = Map<string, unknown>;

/** What the model knows about one thing. */
interface Word {
  op: 'define' | 'patch' | 'remove';
  /** By leaf; in a patch undefined means "without it". */
  leaves: Leaves;
}

const leafNames = ['weight', 'state', 'check.path', 'check.port'];
const defaults: Leaves = new Map<string, unknown>([
  ['weight', 1],
  ['state', 'active'],
]);

function leavesOf(value: JsonObject): Leaves {
  const leaves: Leaves = new Map();
  for (const name of leafNames) {
    const [first = '', second] = name.split('.');
    const part = value[first];
    const leaf = second === undefined ? part : (part as JsonObject | undefined)?.[second];
    if (leaf !== undefined) leaves.set(name, leaf);
  }
  return leaves;
}

/** One sequence; `step` does something, `check` compares. */
export class ModelRun {
  readonly done: string[] = [];
  private readonly random: (n: number) => number;
  private readonly store = new KeptRows();
  private state: State;
  private readonly config = new Map<string, JsonObject>();
  /** What a source finds; it is below the config, and a restart forgets it. */
  private readonly found = new Map<string, JsonObject>();
  private readonly words = new Map<string, Word>();

  constructor(seed: number) {
    this.random = randomOf(seed);
    this.state = this.newState();
  }

  private newState(): State {
    const state = new State({ clock: new FakeClock(), report: (_, problem) => assert.unreachable(problem) });
    const base = (key: string) => {
      const configured = this.config.get(key);
      if (configured !== undefined) return { value: configured, layer: 'config' } as const;
      const found = this.found.get(key);
      return found && ({ value: found, layer: 'discovered:inventory' } as const);
    };
    state.register({ kind, base, changed() {} });
    return state;
  }

  async start(): Promise<void> {
    await this.state.use(this.store);
  }

  async step(): Promise<void> {
    const key = keys[this.random(keys.length)] ?? 'a';
    const what = this.random(16);
    if (what < 3) this.setBase('config', key);
    else if (what >= 14) this.setBase('found', key);
    else if (what < 5) await this.write(key, { op: 'add', value: { name: key, ...this.fields() } });
    else if (what < 8) await this.write(key, { op: 'patch', value: this.patch() });
    else if (what < 9) await this.write(key, { op: 'put', value: { name: key, ...this.fields() } });
    else if (what < 10) await this.write(key, { op: 'remove' });
    else if (what < 12) await this.forget(key);
    else if (what < 13) await this.restart();
    else if (this.random(5) === 0) await this.reset();
  }

  private fields(): JsonObject {
    const fields: Record<string, unknown> = {};
    if (this.random(2) === 0) fields['weight'] = 1 + this.random(3);
    if (this.random(3) === 0) fields['state'] = this.random(2) === 0 ? 'active' : 'draining';
    const parts = this.random(9);
    if (parts > 0 && parts < 4) {
      fields['check'] = {
        ...(parts !== 1 && { path: `/${this.random(2)}` }),
        ...(parts !== 2 && { port: 1 + this.random(2) }),
      };
    }
    return fields;
  }

  /** Some fields; null resets a field to the default. */
  private patch(): JsonObject {
    return { ...this.fields(), ...(this.random(8) === 0 && { weight: null }) };
  }

  private setBase(layer: 'config' | 'found', key: string): void {
    const value = this.random(3) === 0 ? undefined : parseObject(schema, { name: key, ...this.fields() });
    this.done.push(`${layer} ${key} ${JSON.stringify(value)}`);
    if (value === undefined) this[layer].delete(key);
    else this[layer].set(key, value);
  }

  private base(key: string): JsonObject | undefined {
    return this.config.get(key) ?? this.found.get(key);
  }

  private async restart(): Promise<void> {
    this.done.push('restart');
    this.found.clear();
    this.state = this.newState();
    await this.state.use(this.store);
  }

  private async reset(): Promise<void> {
    this.done.push('reset');
    await this.state.reset('a test');
    this.words.clear();
  }

  private async forget(key: string): Promise<void> {
    const word = this.words.get(key);
    const field = this.random(2) === 0 ? undefined : ['weight', 'state', 'check'][this.random(3)];
    this.done.push(`forget ${key} ${field ?? 'all'}`);
    const fields = field === undefined ? undefined : [field];
    const isDone = await this.tried({ kind: 'thing', key, op: 'forget', fields });
    const base = this.base(key);
    const wholeOnly = word?.op === 'remove' || word?.op === 'define';
    const refused =
      (word?.op === 'define' && base === undefined) || (word?.op === 'remove' && field !== undefined);
    assert.is(isDone, !refused, 'forgotten or refused');
    if (refused || word === undefined) return;
    if (field === undefined || wholeOnly) this.words.delete(key);
    else {
      for (const name of [...word.leaves.keys()]) if (name.split('.')[0] === field) word.leaves.delete(name);
      if (word.leaves.size === 0) this.words.delete(key);
    }
  }

  private async write(
    key: string,
    write: { op: 'add' | 'patch' | 'put'; value: JsonObject } | { op: 'remove' },
  ): Promise<void> {
    this.done.push(`${write.op} ${key} ${'value' in write ? JSON.stringify(write.value) : ''}`);
    const before = this.wanted(key);
    const isDone = await this.tried({ kind: 'thing', key, ...write });
    const needsOne = write.op === 'patch' || write.op === 'remove';
    assert.is(isDone, !(needsOne && before === undefined), 'there is one to change, or not');
    if (!isDone) return;
    const base = this.base(key);
    if (write.op === 'remove') {
      if (base === undefined) this.words.delete(key);
      else this.words.set(key, { op: 'remove', leaves: new Map() });
      return;
    }
    const given = leavesOf(write.value);
    if (given.get('weight') === null) given.set('weight', defaults.get('weight'));
    this.say(key, given, base === undefined ? undefined : leavesOf(base), write.op === 'put');
  }

  /** An operator sets these leaves; with `whole`, no others. */
  private say(key: string, given: Leaves, base: Leaves | undefined, whole: boolean): void {
    const word = this.words.get(key);
    if (base === undefined || word?.op === 'define') {
      const known = whole || word?.op !== 'define' ? defaults : word.leaves;
      this.words.set(key, { op: 'define', leaves: new Map([...known, ...given]) });
      return;
    }
    const leaves: Leaves = new Map(whole || word?.op !== 'patch' ? [] : word.leaves);
    for (const [name, value] of given) {
      if (base.get(name) === value) leaves.delete(name);
      else leaves.set(name, value);
    }
    if (leaves.size === 0) this.words.delete(key);
    else this.words.set(key, { op: 'patch', leaves });
  }

  private async tried(write: Write): Promise<boolean> {
    const planned = this.planned(write);
    try {
      const [written] = await this.state.write([write], 'a test');
      assert.equal(written?.after?.value, planned, 'a dry run predicts the result');
      return true;
    } catch (thrown) {
      if (
        thrown instanceof Error &&
        'code' in thrown &&
        /NOT_FOUND|INPUT_INVALID/.test(String(thrown.code))
      ) {
        assert.is(planned, 'refused');
        return false;
      }
      throw thrown;
    }
  }

  private planned(write: Write): unknown {
    try {
      return this.state.plan([write], 'a test')[0]?.after?.value;
    } catch {
      return 'refused';
    }
  }

  private wanted(key: string): Leaves | undefined {
    const base = this.base(key);
    const word = this.words.get(key);
    if (word === undefined) return base && leavesOf(base);
    if (word.op === 'remove') return undefined;
    if (word.op === 'define') return word.leaves;
    if (base === undefined) return undefined;
    return new Map([...leavesOf(base), ...word.leaves]);
  }

  check(): void {
    for (const key of keys) {
      const entity = this.state.entity('thing', key);
      const wanted = this.wanted(key);
      const shown = entity && Object.fromEntries([...leavesOf(entity.value)].sort());
      assert.equal(shown, wanted && Object.fromEntries([...wanted].sort()), key);
      if (entity === undefined) continue;
      const below = this.config.has(key) ? 'config' : 'discovered:inventory';
      assert.is(entity.layer, this.words.get(key)?.op === 'define' ? 'api' : below, key);
    }
    assert.is(this.store.rows.size, this.words.size, 'as many rows as words');
  }
}

/** Runs sequences of seeds `from` up to `to`, and names the first that fails. */
export async function runModel(from: number, to: number, steps: number): Promise<void> {
  for (let seed = from; seed < to; seed++) {
    const run = new ModelRun(seed);
    await run.start();
    for (let step = 0; step < steps; step++) {
      try {
        await run.step();
        run.check();
      } catch (thrown) {
        const last = run.done.slice(-8).join('; ');
        throw new Error(`seed ${seed}, step ${step}, the last steps: ${last}`, { cause: thrown });
      }
    }
  }
}
