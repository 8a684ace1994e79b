// ServerExpiry: the end of registrations that are not repeated within their ttl.
import type { Entity } from '../state/entity.ts';
import type { State } from '../state/state.ts';
import type { CancelTimer, Clock } from '../time/clock.ts';
import type { Member } from './pool-members.ts';
import { serverKey, serverKind, serverKindName } from './server-kind.ts';

/** How soon an overdue server is tried again while the store is away, ms. */
const retryAfter = 1000;

/** Sets the timers of servers with a ttl. */
export class ServerExpiry {
  private readonly state: State;
  private readonly clock: Clock;

  constructor(state: State, clock: Clock) {
    this.state = state;
    this.clock = clock;
  }

  /** Sets the timer of a server again, when its registration was made or repeated; a server without a ttl gets none. */
  schedule(member: Member, { row, value }: Entity): void {
    member.cancelExpiry?.();
    member.cancelExpiry = undefined;
    const ttl = row === undefined ? undefined : serverKind.lifetime(value);
    if (ttl === undefined || this.state.expires) return;
    const { pool, id } = member.upstream;
    let cancel: CancelTimer;
    const schedule = (ms: number) => {
      cancel = this.clock.after(ms, expire);
      member.cancelExpiry = cancel;
    };
    // A registration that was under way when the time ran out has set another timer by our turn.
    const overdue = () => member.cancelExpiry === cancel && !member.leaving;
    const expire = () => {
      this.state.expire(serverKindName, serverKey(pool, id), overdue).catch(() => {
        // The store is away: the server is still overdue.
        if (overdue()) schedule(retryAfter);
      });
    };
    schedule(ttl);
  }
}
