// Failsafe: without a majority of etcd the leader continues while every other candidate promises not to stand.
// docs/cluster.md ("Failsafe") says what makes it safe; test/models/hand-over/ searches for mistakes.
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import { type EtcdClient, plainReason } from './client.ts';
import { clockDrift } from './election-times.ts';
import { type FailsafeList, type FailsafeMember, longestPromise, seenFailsafeList } from './failsafe-list.ts';
import type { FailsafeSide, HeldSession, PromisedTime } from './failsafe-side.ts';
import { afterPrefix, type ClusterKeys } from './keys.ts';
import { grantLease, hasKey, keepAliveOnce, revokeLease } from './leases.ts';
import type { PeerChannel } from './peer-channel.ts';
import { answer, askWith, isAnswerTo, PeerPromises, question } from './peer-promises.ts';

/** The plugin's option `failsafe`. */
export interface FailsafeOptions {
  /** `HOST:PORT`, as the other nodes reach this one. */
  readonly listen: string;
  readonly secret: string;
}

/** What a {@link Failsafe} is made of. */
export interface FailsafeSurroundings {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly prefix: string;
  readonly nodeName: string;
  readonly candidate: boolean;
  readonly log: Logger;
  readonly clock: Clock;
  /** Returns how long a promise has to last now, ms. */
  promise(): number;
  /** Returns why this node does not promise the leader with this create revision; undefined: it does. */
  objection(session: number): string | undefined;
}

const presenceLease = 10_000;
const keepEvery = 3000;
const lookEvery = 1000;
const patience = 400;
const retryDelay = 500;
/** If more lists than this may be in etcd, it is unknown which nodes may stand. */
const mostLists = 16;
const noMembers: readonly FailsafeMember[] = [];
const presence = z.looseObject({ node: z.string(), address: z.string() });

/** One node's part in failsafe. */
export class Failsafe implements FailsafeSide {
  readonly promises: PeerPromises;
  private readonly options: FailsafeOptions;
  private readonly around: FailsafeSurroundings;
  private readonly channel: PeerChannel;
  private readonly timers: CancelTimer[];
  private session: HeldSession | undefined;
  /** The lists that may be in etcd now: a write without an answer may have been done. */
  private lists: (readonly FailsafeMember[])[] = [noMembers];
  private listRevision = 0;
  private writing = false;
  /** The promises of the others, by node. */
  private readonly given = new Map<string, PromisedTime>();
  private readonly challenges = new Map<string, string>();
  private readonly asking = new Set<string>();
  private activeSince = 0;
  private lease: string | undefined;
  private keeping = false;
  answersSince = Number.POSITIVE_INFINITY;
  private waiting = false;
  private closed = false;

  private constructor(options: FailsafeOptions, around: FailsafeSurroundings, Channel: typeof PeerChannel) {
    const { nodeName, prefix, clock } = around;
    this.options = options;
    this.around = around;
    const objection = (session: number) => around.objection(session);
    this.promises = new PeerPromises({ secret: options.secret, prefix, nodeName, clock, objection });
    this.channel = new Channel(text => {
      const { data } = question.safeParse(json(text));
      const given = data && this.promises.take(data);
      return given && JSON.stringify(given);
    });
    this.timers = [
      clock.every(keepEvery, () => void this.keep()),
      clock.every(lookEvery, () => void this.look()),
    ];
  }

  /** Throws CONFIG_INVALID when `listen` is not an address of this machine. */
  static async expectPossible(options: FailsafeOptions): Promise<void> {
    const channel = new (await import('./peer-channel.ts')).PeerChannel(() => undefined);
    try {
      await channel.listen(placeOf(options).host, 0);
    } finally {
      await channel.close();
    }
  }

  /** Opens the port. Throws CONFIG_INVALID when that is impossible. */
  static async start(options: FailsafeOptions, around: FailsafeSurroundings): Promise<Failsafe> {
    // Loaded only where failsafe is on.
    const failsafe = new Failsafe(options, around, (await import('./peer-channel.ts')).PeerChannel);
    try {
      await failsafe.listen();
    } catch (thrown) {
      await failsafe.close();
      throw thrown;
    }
    return failsafe;
  }

  /** Opens the port; tries again while another process has it, such as the previous one during an upgrade. */
  private async listen(): Promise<void> {
    if (this.closed) return;
    const { clock, log } = this.around;
    const { host, port } = placeOf(this.options);
    if (!(await this.channel.listen(host, port))) {
      if (!this.waiting)
        log.warn({ listen: this.options.listen }, 'failsafe waits for its port, which is in use');
      this.waiting = true;
      if (!this.closed) {
        clock.after(retryDelay, () => {
          this.listen().catch((thrown: unknown) =>
            log.error({ reason: plainReason(thrown) }, 'failsafe does not listen'),
          );
        });
      }
      return;
    }
    this.waiting = false;
    this.answersSince = clock.monotonic();
    void this.keep();
  }

  /** The field `failsafe` of `GET /cluster`. */
  get state() {
    return {
      active: this.isActive,
      since: this.activeSince,
      members: this.asked().map(({ node }) => node),
      promisedTo: this.promises.holder ?? null,
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const cancel of this.timers) cancel();
    await this.channel.close();
    if (this.lease !== undefined) {
      await revokeLease(this.around.client, this.lease, { totalMs: 500, attemptMs: 250 }).catch(() => {});
    }
  }

  get isActive(): boolean {
    return this.activeSince > 0;
  }

  // --- as the leader ---------------------------------------------------------------------------------------------

  get promised(): PromisedTime | undefined {
    const members = this.asked();
    const given = members.flatMap(({ node }) => this.given.get(node) ?? []);
    if (members.length === 0 || given.length < members.length) return undefined;
    return {
      asked: Math.min(...given.map(({ asked }) => asked)),
      until: Math.min(...given.map(({ until }) => until)),
    };
  }

  won(session: HeldSession, { again }: { readonly again: boolean }): void {
    this.session = session;
    this.lists = [noMembers];
    this.listRevision = -1;
    if (!again) {
      this.given.clear();
      this.challenges.clear();
    }
    void this.look();
  }

  over(): void {
    this.session = undefined;
    this.setActive(false);
  }

  rest(): void {
    this.setActive(false);
  }

  /** Asks all members; `prolong` is called when all have promised. */
  ask(session: HeldSession, prolong: (promised: PromisedTime) => void): void {
    for (const member of this.asked()) void this.askOne(session, member, prolong);
  }

  private async askOne(
    session: HeldSession,
    { node, address }: FailsafeMember,
    prolong: (promised: PromisedTime) => void,
  ): Promise<void> {
    const { prefix, nodeName, clock, promise, log } = this.around;
    const { secret } = this.options;
    if (this.asking.has(node)) return;
    this.asking.add(node);
    try {
      // Twice, because the first answer may be only a challenge.
      for (let round = 0; round < 2; round++) {
        const from = clock.monotonic();
        const asked = askWith(secret, prefix, {
          from: nodeName,
          to: node,
          session: session.revision,
          ms: Math.min(longestPromise, Math.floor(promise())),
          challenge: this.challenges.get(node) ?? '',
          nonce: randomBytes(16).toString('base64url'),
        });
        const text = await this.channel.ask(address, JSON.stringify(asked), patience);
        const given = answer.safeParse(json(text)).data;
        if (given === undefined || !isAnswerTo(secret, prefix, asked, given)) return;
        this.challenges.set(node, given.challenge);
        if (given.verdict === 'refused') {
          log.warn({ node, reason: given.reason }, 'a member of failsafe does not promise');
          return;
        }
        if (given.verdict === 'again') continue;
        // Counted from the question; the member counts from its answer.
        this.given.set(node, { asked: from, until: from + asked.ms * (1 - clockDrift) });
        if (this.session !== session) return;
        const { promised } = this;
        const now = clock.monotonic();
        if (promised === undefined || promised.until <= now || now >= session.until) return;
        if (now >= session.etcdUntil) this.setActive(true);
        prolong(promised);
        return;
      }
    } finally {
      this.asking.delete(node);
    }
  }

  /** Returns the members whose promises are needed: those of all lists that may be in etcd. Empty: failsafe is not possible. */
  private asked(): readonly FailsafeMember[] {
    if (this.session === undefined || this.lists.some(list => list.length === 0)) return noMembers;
    return [...new Map(this.lists.flat().map(member => [member.node, member])).values()];
  }

  private setActive(active: boolean): void {
    if (active === this.isActive) return;
    const { clock, log } = this.around;
    const members = this.asked().map(({ node }) => node);
    this.activeSince = active ? clock.now() : 0;
    if (active)
      log.error(
        { members },
        'failsafe: etcd does not answer; leading by the promises of all other candidates',
      );
    else log.info('failsafe ends');
  }

  // --- the list --------------------------------------------------------------------------------------------------

  /** Keeps etcd's list equal to the candidates that are present; only the leader writes it. */
  private async look(): Promise<void> {
    const { client, keys, nodeName, log } = this.around;
    const { session } = this;
    if (session === undefined || session.isRetaken || this.writing) return;
    this.writing = true;
    try {
      const seen = await client.call(
        async (etcd, options) =>
          await etcd.kv.txn(
            {
              success: [
                { request_range: { key: Buffer.from(keys.failsafeList) } },
                {
                  request_range: {
                    key: Buffer.from(keys.failsafeNodes),
                    range_end: afterPrefix(keys.failsafeNodes),
                  },
                },
              ],
            },
            options,
          ),
        { totalMs: 1000, attemptMs: 500 },
      );
      const [listKv] = seen.responses[0]?.response_range.kvs ?? [];
      const there = (seen.responses[1]?.response_range.kvs ?? []).flatMap(kv => readPresence(kv.value));
      if (this.session !== session) return;
      const { list, mod: revision } = seenFailsafeList(listKv);
      if (list?.leader !== nodeName) this.lists = [noMembers];
      else if (revision !== this.listRevision) this.lists = [list.members];
      this.listRevision = revision;
      const members = there
        .filter(({ node }) => node !== nodeName)
        .sort((a, b) => (a.node < b.node ? -1 : 1))
        .slice(0, 64);
      if (list?.leader === nodeName && JSON.stringify(members) === JSON.stringify(list.members)) return;
      await this.write(session, { leader: nodeName, members });
    } catch (thrown) {
      log.debug({ reason: plainReason(thrown) }, 'the list of failsafe could not be read or written');
    } finally {
      this.writing = false;
    }
  }

  private async write(session: HeldSession, list: FailsafeList): Promise<void> {
    const { client, keys } = this.around;
    const [leaderKey, listKey] = [Buffer.from(keys.leader), Buffer.from(keys.failsafeList)];
    // It may take effect even without an answer.
    this.mayBeThere(list.members);
    const written = await client.call(
      async (etcd, options) =>
        await etcd.kv.txn(
          {
            compare: [
              { key: leaderKey, target: 'Create', result: 'Equal', create_revision: session.revision },
              { key: listKey, target: 'Mod', result: 'Equal', mod_revision: this.listRevision },
            ],
            success: [
              { request_put: { key: listKey, value: Buffer.from(JSON.stringify({ schema: 1, ...list })) } },
            ],
          },
          options,
        ),
      { totalMs: 1000, attemptMs: 1000 },
    );
    if (!written.succeeded || this.session !== session) return;
    this.listRevision = Number(written.header.revision);
    this.lists = [list.members];
  }

  private mayBeThere(members: readonly FailsafeMember[]): void {
    const text = JSON.stringify(members);
    if (this.lists.some(list => JSON.stringify(list) === text)) return;
    this.lists = this.lists.length < mostLists ? [...this.lists, members] : [noMembers];
  }

  // --- presence -----------------------------------------------------------------------------------------------

  private async keep(): Promise<void> {
    const { client, keys, nodeName, candidate, log } = this.around;
    if (this.keeping || !candidate || this.closed || !Number.isFinite(this.answersSince)) return;
    this.keeping = true;
    try {
      const key = keys.failsafeNode(nodeName);
      const known = this.lease;
      let lease: string | undefined;
      if (known !== undefined) {
        const kept = await client.call(async (etcd, options) => await keepAliveOnce(etcd, known, options));
        if (kept.ttl > 0) lease = known;
        if (lease !== undefined && (await hasKey(client, key))) return;
      }
      const held = lease ?? (await grantLease(client, presenceLease)).id;
      const value = JSON.stringify({ schema: 1, node: nodeName, address: this.options.listen });
      await client.call(
        async (etcd, options) =>
          await etcd.kv.put({ key: Buffer.from(key), value: Buffer.from(value), lease: held }, options),
      );
      this.lease = held;
    } catch (thrown) {
      log.debug({ reason: plainReason(thrown) }, 'failsafe could not write the presence of this node');
    } finally {
      this.keeping = false;
    }
  }
}

function placeOf({ listen }: FailsafeOptions): { host: string; port: number } {
  const { hostname, port } = new URL(`http://${listen}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) };
}

function readPresence(value: Buffer): FailsafeMember[] {
  try {
    const { node, address } = presence.parse(JSON.parse(value.toString()));
    return [{ node, address }];
  } catch {
    return [];
  }
}

function json(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return undefined;
  }
}
