// LeaderWatch: watches the keys of the election, so that a free leadership is taken, and a lost one noticed, at once.
import type { IEvent } from 'etcd3';
import type { ElectionOptions } from './election-options.ts';
import { type SeenFailsafeList, seenFailsafeList } from './failsafe-list.ts';
import type { KnownLeader } from './known-leader.ts';
import {
  type LastLeadership,
  type LeaderKeys,
  type LeadershipEnd,
  type LeadershipLook,
  lastLeadership,
  type SeenLeader,
  seenLeader,
} from './leader-keys.ts';
import type { LeaderSession } from './leader-session.ts';
import { alert, KeyWatch } from './watch.ts';

// A member that does not answer delays the start of the watch no longer than one that falls silent later delays its events.
const followLimits = { totalMs: 3000, attemptMs: 400 };
const retryDelay = 100;

/** What a {@link LeaderWatch} works with. */
export interface LeaderWatchOptions {
  readonly election: ElectionOptions;
  readonly leaderKeys: LeaderKeys;
  readonly known: KnownLeader;
  isClosed(): boolean;
  /** The leadership that is held now. */
  session(): LeaderSession | undefined;
  /** Returns whether this node is just writing the key with this lease. The watch may deliver it before the write is answered. */
  isBeingTaken(lease: string | undefined): boolean;
  /** etcd says that the leadership is over; `free`: and no other node has it. */
  lose(session: LeaderSession, why: string, how: { readonly free: boolean }): void;
  /** The key `leader` holds this; undefined: the key does not exist. */
  see(leader: SeenLeader | undefined): void;
  /** The campaign has something to look at. */
  wake(): void;
}

/** The watch of one node. */
export class LeaderWatch {
  private readonly options: LeaderWatchOptions;
  private readonly watcher: KeyWatch;
  /** How the last leadership ended, if the watch has reported that together with its end. */
  private ended: LeadershipEnd | undefined;
  /** The list of failsafe as last seen. */
  private failsafeList: SeenFailsafeList = seenFailsafeList(undefined);

  constructor(options: LeaderWatchOptions) {
    this.options = options;
    const { client, log, keys } = options.election;
    this.watcher = new KeyWatch({
      client,
      log,
      // From the list of failsafe to the leader. Between them are the last leader, and the addresses of candidates with failsafe.
      key: keys.failsafeList,
      rangeEnd: Buffer.from(`${keys.leader}\0`),
      pace: alert,
    });
  }

  /** What the watch has reported, if that is all that a campaign needs to know. */
  get seenEnd(): LastLeadership | undefined {
    const { ended, failsafeList } = this;
    if (this.options.known.name !== undefined || ended === undefined) return undefined;
    return { leader: undefined, ...ended, failsafe: failsafeList };
  }

  /** A reported end counts for one campaign only. */
  forgetEnd(): void {
    this.ended = undefined;
  }

  /** Asks etcd which node leads, and how the previous leadership ended. */
  async look(): Promise<LastLeadership> {
    const seen = await this.options.leaderKeys.look();
    this.failsafeList = seen.failsafe;
    this.options.see(seen.leader);
    return seen;
  }

  /** Watches until closed. */
  async run(): Promise<void> {
    while (!this.options.isClosed()) {
      let revision = 0;
      try {
        const now = await this.options.leaderKeys.look(followLimits);
        revision = now.revision;
        this.begin(now);
      } catch {
        await this.pause();
        continue;
      }
      const end = await this.watcher.follow(revision + 1, {
        connected() {},
        events: events => this.take(events),
      });
      if (end !== 'closed') await this.pause();
    }
  }

  close(): void {
    this.watcher.close();
  }

  /** Takes over what etcd holds before the watch begins. */
  private begin(now: LeadershipLook): void {
    const { known } = this.options;
    const session = this.options.session();
    const isOurs = now.leader?.created === session?.revision && now.leader?.lease === session?.lease.id;
    const isTaken = !isOurs && !this.options.isBeingTaken(now.leader?.lease);
    if (session !== undefined && isTaken && now.revision > session.revision) {
      this.options.lose(session, 'the key is no longer ours', { free: now.leader === undefined });
    }
    this.failsafeList = now.failsafe;
    // A backup may have brought back lower revisions.
    known.latestRevision = 0;
    this.options.see(now.leader);
  }

  private take(events: readonly IEvent[]): void {
    const { leader, lastLeader, failsafeList } = this.options.election.keys;
    const list = events.findLast(({ kv }) => kv.key.toString() === failsafeList);
    if (list !== undefined) {
      this.failsafeList = seenFailsafeList(list.type === 'Put' ? list.kv : undefined);
    }
    const end = events.findLast(({ type, kv }) => type === 'Put' && kv.key.toString() === lastLeader);
    const how = end === undefined ? undefined : lastLeadership(end.kv);
    const last = events.findLast(({ kv }) => kv.key.toString() === leader);
    if (last === undefined) return;
    const session = this.options.session();
    const mod = Number(last.kv.mod_revision);
    if (session !== undefined && mod > session.revision && !this.options.isBeingTaken(last.kv.lease)) {
      this.options.lose(session, 'the key was deleted or overwritten', { free: last.type === 'Delete' });
    }
    this.options.see(last.type === 'Put' ? seenLeader(last.kv) : undefined);
    this.ended = last.type === 'Put' ? undefined : how;
    this.options.wake();
  }

  private async pause(): Promise<void> {
    await new Promise<void>(resolve => this.options.election.clock.after(retryDelay, resolve));
  }
}
