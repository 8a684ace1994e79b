// PoolRules: what a change of a pool at run time must satisfy.
import { WeldrError } from '../errors.ts';
import type { Entity } from '../state/entity.ts';
import type { AdmittedWrite, Undo } from '../state/kind-host.ts';
import { sameList } from '../state/listed-names.ts';
import type { KnownPools } from './known-pools.ts';
import type { PoolLimits } from './pool-limits.ts';
import type { PoolMembers } from './pool-members.ts';
import type { PoolPlugins } from './pool-plugins.ts';
import { poolSettingsOf } from './pool-settings.ts';

/** What the rules look at. */
export interface PoolRulesParts {
  readonly known: KnownPools;
  readonly members: PoolMembers;
  readonly limits: PoolLimits;
  readonly plugins: PoolPlugins | undefined;
}

/** Checks what operators write of pools. */
export class PoolRules {
  /** What leads to a pool besides fallbacks, for people. */
  leads: (pool: string) => readonly string[] = () => [];
  private readonly known: KnownPools;
  private readonly members: PoolMembers;
  private readonly limits: PoolLimits;
  private readonly plugins: PoolPlugins | undefined;

  constructor({ known, members, limits, plugins }: PoolRulesParts) {
    this.known = known;
    this.members = members;
    this.limits = limits;
    this.plugins = plugins;
  }

  /** Throws CONFLICT, INPUT_INVALID or LIMIT_REACHED for a change that is not allowed. */
  admit(name: string, after: Entity | undefined, { force }: AdmittedWrite): void {
    if (after === undefined) {
      this.expectUnneeded(name, force ? 'forced' : 'asked');
      return;
    }
    this.limits.expectRoomForPool(name);
    const list = this.known.listOf(name, after);
    // A list that was accepted with a problem stays until it is changed.
    if (!sameList(list, this.members.listOf(name))) this.plugins?.expect(name, list);
    this.expectFallbacks(name, poolSettingsOf(after.value).fallback);
  }

  /** Starts the plugins of a changed list before anything is written. */
  async prepare(name: string, after: Entity | undefined): Promise<Undo | undefined> {
    const list = this.known.listOf(name, after);
    if (after === undefined || sameList(list, this.members.listOf(name))) return undefined;
    return await this.plugins?.prepare(name, list);
  }

  /** Throws INPUT_INVALID for fallbacks that lead nowhere or form a cycle. */
  private expectFallbacks(name: string, fallback: string | undefined): void {
    const seen = new Set([name]);
    for (let next = fallback; next !== undefined; ) {
      const field = { field: 'fallback' };
      if (!this.known.has(next)) {
        throw new WeldrError('INPUT_INVALID', `fallback: there is no pool ${JSON.stringify(next)}`, field);
      }
      if (seen.has(next)) {
        const circle = [...seen, next].join(' -> ');
        throw new WeldrError('INPUT_INVALID', `fallback: forms a cycle: ${circle}`, field);
      }
      seen.add(next);
      next = this.known.fallbackOf(next);
    }
  }

  /** Throws CONFLICT for a pool that is still needed. */
  private expectUnneeded(name: string, how: 'asked' | 'forced'): void {
    if (name === 'default') throw new WeldrError('CONFLICT', 'the pool default cannot be removed');
    if (how === 'asked') this.expectNotLedTo(name);
    let added = 0;
    for (const { op } of this.known.serverRowsOf(name)) if (op === 'define') added++;
    if (added === 0) return;
    const what = added === 1 ? 'a server that was' : `${added} servers that were`;
    throw new WeldrError('CONFLICT', `the pool ${name} has ${what} added at run time; remove them first`);
  }

  /** Throws CONFLICT for a pool that fallbacks or routes lead to. */
  private expectNotLedTo(name: string): void {
    const forced = 'or remove it with ?force, and requests that go there get 503';
    for (const pool of this.members.pools) {
      if (this.known.fallbackOf(pool.name) !== name) continue;
      throw new WeldrError(
        'CONFLICT',
        `the pool ${pool.name} has ${name} as its fallback; change that first, ${forced}`,
      );
    }
    const leading = this.leads(name);
    if (leading.length === 0) return;
    throw new WeldrError(
      'CONFLICT',
      `${leading.join(', ')} ${leading.length === 1 ? 'leads' : 'lead'} to the pool ${name}; change that first, ${forced}`,
    );
  }
}
