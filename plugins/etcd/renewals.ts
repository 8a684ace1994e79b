// Renewals: renews the lease of a leadership, and has etcd's majority confirm that the key is still this node's.
import type { IRangeResponse } from 'etcd3';
import type { CancelTimer } from '../../core/time/clock.ts';
import { type EtcdMember, plainReason } from './client.ts';
import type { ElectionOptions } from './election-options.ts';
import { failureOf } from './etcd-failure.ts';
import { hurryWhenLate } from './hurry.ts';
import { type LeaderSession, safeUntil } from './leader-session.ts';
import { keepAliveOnce } from './leases.ts';

/** The result of a renewal: etcd answered, did not answer in time, or could not be asked. */
type RenewalEnd = 'answered' | 'no answer' | 'failed';

/** What {@link Renewals} works with. */
export interface RenewalsOptions {
  readonly election: ElectionOptions;
  /** The leadership that is held now. */
  session(): LeaderSession | undefined;
  /** Ends a leadership whose time has passed. */
  review(): void;
  /** etcd says that the leadership is over; `free`: and no other node has it. */
  lose(session: LeaderSession, why: string, how: { readonly free: boolean }): void;
  /** The leadership was confirmed. */
  confirm(session: LeaderSession): void;
  /** The leadership has to be taken again. */
  wake(): void;
}

/** The renewals of one node's leadership. */
export class Renewals {
  private readonly options: RenewalsOptions;
  /** What the last confirmed renewal took, ms. */
  private took = 0;
  private cancel: CancelTimer | undefined;

  constructor(options: RenewalsOptions) {
    this.options = options;
  }

  /** Starts the renewals of a session; each is a separate request, so that one that hangs holds up no other. */
  start(session: LeaderSession, wait: number): void {
    const { client, clock, observer } = this.options.election;
    const { times } = session;
    this.cancel?.();
    const asked = new Set<EtcdMember>();
    const renew = async () => {
      this.options.review();
      if (this.options.session() !== session) return;
      this.askOthers(session);
      if (session.isRetaken) return this.options.wake();
      // A member that still owes an answer is not asked again: one that hangs costs one renewal.
      const member = client.inOrder().find(candidate => !asked.has(candidate));
      if (member === undefined) return;
      asked.add(member);
      const begun = clock.monotonic();
      const end = await this.renewIfLed(session, member, Math.max(200, 2 * times.renew));
      if (end !== 'answered') client.avoid(member);
      if (end === 'no answer') observer?.unanswered(clock.monotonic() - begun);
      asked.delete(member);
    };
    const endRenewals = clock.every(times.renew, () => void renew());
    const endHurry = hurryWhenLate({
      clock,
      isLate: () => this.options.session() === session && !session.isRetaken && this.isLate(session),
      took: () => this.took,
      members: () => client.inOrder(),
      ask: async (member, ms) => void (await this.renewIfLed(session, member, ms)),
    });
    this.cancel = () => {
      endRenewals();
      endHurry();
    };
    void renew();
    if (wait > 0) clock.after(wait, () => void renew());
  }

  stop(): void {
    this.cancel?.();
  }

  /** Returns whether the last confirmation is older than usual, but not older than an election of etcd's leader explains. */
  private isLate({ confirmed, times, lease }: LeaderSession): boolean {
    const age = this.options.election.clock.monotonic() - confirmed;
    return age > 1.5 * times.renew + 2 * this.took && age < 3 * lease.ttl;
  }

  /**
   * Renews. When the renewal is late, it first asks the member whether there is a leader: a member of etcd 3.4 whose leader is dead
   * retries a renewal without a pause, just when etcd has to elect.
   */
  private async renewIfLed(
    session: LeaderSession,
    member: EtcdMember,
    deadline: number,
  ): Promise<RenewalEnd> {
    const { client, keys } = this.options.election;
    if (this.isLate(session)) {
      const key = Buffer.from(keys.leader);
      try {
        await client.callMember(member, (etcd, options) => etcd.kv.range({ key }, options), deadline);
      } catch (thrown) {
        return failureOf(thrown).kind === 'no-answer' ? 'no answer' : 'failed';
      }
    }
    return await this.renew(session, member, deadline);
  }

  /**
   * Renews the lease, then has etcd's majority confirm that the key is still this node's: both by one member and within one
   * term of Raft. A leader of etcd that was cut off keeps renewing leases alone for a while, and its word does not
   * bind the leader that follows it. Waits for each answer for `deadline` ms.
   */
  private async renew(session: LeaderSession, member: EtcdMember, deadline: number): Promise<RenewalEnd> {
    const { client, clock, keys, failsafe, observer, log } = this.options.election;
    const { times } = session;
    const asked = clock.monotonic();
    try {
      const kept = await client.callMember(
        member,
        (etcd, options) => keepAliveOnce(etcd, session.lease.id, options),
        deadline,
      );
      const held = await client.callMember(
        member,
        (etcd, options) => etcd.kv.range({ key: Buffer.from(keys.leader) }, options),
        deadline,
      );
      if (this.options.session() !== session) return 'answered';
      const isOurs = holds(held, session);
      const free = isOurs || held.kvs[0] === undefined;
      if (kept.ttl === 0) this.options.lose(session, 'the lease is gone', { free });
      else if (!isOurs) this.options.lose(session, 'the key is no longer ours', { free });
      if (kept.ttl === 0 || !isOurs || held.header.raft_term !== kept.raftTerm) return 'answered';
      client.prefer(member);
      this.took = clock.monotonic() - asked;
      observer?.renewal(this.took);
      const until = safeUntil(times, asked, kept.ttl);
      prolong(session, until, asked);
      session.confirmed = Math.max(session.confirmed, asked);
      session.etcdUntil = Math.max(session.etcdUntil, until);
      failsafe?.rest();
      this.options.confirm(session);
      return 'answered';
    } catch (thrown) {
      log.debug({ host: member.host, reason: plainReason(thrown) }, 'a renewal failed');
      return failureOf(thrown).kind === 'no-answer' ? 'no answer' : 'failed';
    }
  }

  /** Asks the other nodes when etcd did not confirm the last renewal. */
  private askOthers(session: LeaderSession): void {
    const { failsafe, clock } = this.options.election;
    if (failsafe === undefined || clock.monotonic() - session.confirmed < 1.5 * session.times.renew) return;
    failsafe.ask(session, ({ until, asked }) => {
      // Promises do not revive a leadership that has broken off: another node may have led meanwhile.
      if (this.options.session() !== session || clock.monotonic() >= session.until) return;
      prolong(session, until, asked);
      this.options.confirm(session);
    });
  }
}

function prolong(session: LeaderSession, until: number, asked: number): void {
  if (until <= session.until) return;
  session.until = until;
  session.asked = asked;
}

/** Returns whether the key is this session's. If it is overwritten by hand, it keeps its create revision, but not the lease. */
function holds(held: IRangeResponse, session: LeaderSession): boolean {
  const [kv] = held.kvs;
  return Number(kv?.create_revision ?? 0) === session.revision && kv?.lease === session.lease.id;
}
