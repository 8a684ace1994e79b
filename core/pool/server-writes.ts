// ServerWrites: operators' changes of single servers.
import { WeldrError } from '../errors.ts';
import type { Entity } from '../state/entity.ts';
import type { State } from '../state/state.ts';
import type { PoolEntry } from './pool-entry.ts';
import type { Member, PoolMembers } from './pool-members.ts';
import type { ServerDefinition } from './server-definition.ts';
import { serverKey, serverKindName } from './server-kind.ts';

/** The fields of a definition that a patch may change. */
export type ServerPatch = Partial<Omit<ServerDefinition, 'url'>>;

/** A server that was added. */
export interface AddedServer {
  readonly entry: PoolEntry;
  /** Whether there was no such server before. */
  readonly created: boolean;
}

/** Writes rows of servers, and waits until they are active. */
export class ServerWrites {
  private readonly state: State;
  private readonly members: PoolMembers;

  constructor(state: State, members: PoolMembers) {
    this.state = state;
    this.members = members;
  }

  /**
   * Adds a server, or replaces the definition of the one that exists; durable when it resolves. Rejects with
   * STORE_UNAVAILABLE, CONFLICT or LIMIT_REACHED.
   */
  async add(pool: string, server: ServerDefinition, by = 'an operator'): Promise<AddedServer> {
    const { before, member } = await this.write(pool, server.url, { op: 'put', value: server }, by);
    return { entry: expectMember(member, pool, server.url), created: before === undefined };
  }

  /** Changes a server that exists; durable when it resolves. Rejects with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT. */
  async update(pool: string, id: string, patch: ServerPatch, by = 'an operator'): Promise<PoolEntry> {
    const { member } = await this.write(pool, id, { op: 'patch', value: patch }, by);
    return expectMember(member, pool, id);
  }

  /**
   * Removes a server; durable when it resolves. It gets no more new requests, and is gone when it has finished those
   * it had, or at once with `force`. Rejects with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT.
   */
  async remove(pool: string, id: string, how = { force: false }, by = 'an operator'): Promise<void> {
    try {
      await this.write(pool, id, { op: 'remove' }, by);
    } catch (thrown) {
      // A leaving server was removed before.
      const isLeaving = this.members.get(pool, id)?.leaving === true;
      if (!isLeaving || !(thrown instanceof WeldrError) || thrown.code !== 'NOT_FOUND') throw thrown;
    }
    if (how.force) this.cut(pool, id);
  }

  /** Drops a removed server at once, without waiting for its requests. */
  cut(pool: string, id: string): void {
    const member = this.members.get(pool, id);
    if (member?.leaving) this.members.drop(member);
  }

  private async write(
    pool: string,
    id: string,
    write: { readonly op: 'put' | 'patch'; readonly value: unknown } | { readonly op: 'remove' },
    by: string,
  ): Promise<{ readonly before: Entity | undefined; readonly member: Member | undefined }> {
    // It may be gone again before the workers have heard of it.
    let member: Member | undefined;
    const writes = [{ kind: serverKindName, key: serverKey(pool, id), ...write }];
    const [written] = await this.state.write(writes, by, () => {
      member = this.members.get(pool, id);
    });
    return { before: written?.before, member };
  }
}

function expectMember(member: Member | undefined, pool: string, id: string): Member {
  if (member !== undefined) return member;
  throw new WeldrError('NOT_FOUND', `there is no server ${id} in pool ${pool}; GET /servers lists them`);
}
