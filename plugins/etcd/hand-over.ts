// HandOver: passes the leadership to a node that has reported that it is ready. The order is a key that all nodes see: the next
// leader checks whether it can lead and answers on its candidacy, the leader lets go after that, and the others stand back for a
// moment. Any node can write the order; it then waits for the outcome.
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { nearest } from '../../core/errors/nearest.ts';
import { WeldrError } from '../../core/errors.ts';
import type { Leadership } from '../../core/plugin/manager-hooks.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { Board, Candidacy, HandOverOrder } from './board.ts';
import type { EtcdClient } from './client.ts';
import type { ClusterKeys } from './keys.ts';
import { grantLease, revokeLease } from './leases.ts';
import { bestFirst } from './precedence.ts';

/** What a {@link HandOver} is made of. */
export interface HandOverOptions {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly nodeName: string;
  readonly board: Board;
  readonly log: Logger;
  readonly clock: Clock;
  leadership(): Leadership;
  /** Lets go of the leadership, as this order says. */
  release(order: HandOverOrder): Promise<void>;
  /** Prepares this node to lead; resolves with why it cannot, undefined: it is ready. */
  makeReady(order: HandOverOrder): Promise<string | undefined>;
  /** Called when this node has an answer to publish. */
  answered(): void;
}

/** What an operator or a node asks for. */
export interface HandOverWish {
  /** The next leader; undefined: the best candidate. */
  readonly to?: string | undefined;
  /** Who asks for it. */
  readonly by: string;
  /** The reason, for the log. */
  readonly why: string;
  /** The pools that the next leader has to reach; otherwise it refuses. */
  readonly pools?: readonly string[];
}

/** The previous leader and the new one. */
export interface HandedOver {
  readonly from: string;
  readonly to: string;
}

/** An order that is not carried out within this time ends, ms. */
const orderLease = 5000;
const answerWithin = 1500;
const doneWithin = 4000;

/** One node's part in hand-overs. */
export class HandOver {
  private readonly options: HandOverOptions;
  private readonly looks = new Set<() => void>();
  /** This node's last answer, with the order that it answers. */
  private answer: Candidacy['answer'];
  private answering: string | undefined;
  private releasing: string | undefined;
  private isLeaving = false;

  constructor(options: HandOverOptions) {
    this.options = options;
  }

  /** This node's answer to the current order. */
  get ownAnswer(): Candidacy['answer'] {
    return this.answer?.order === this.options.board.order?.id ? this.answer : undefined;
  }

  /** Acts on a change of the board or of the leader. */
  review(): void {
    for (const look of [...this.looks]) look();
    const { board, nodeName } = this.options;
    const { order } = board;
    if (order === undefined) return;
    const { leading } = this.options.leadership();
    if (order.to === nodeName && leading) {
      // The order is carried out; the node that wrote it may be gone.
      revokeLease(this.options.client, order.lease).catch(() => {});
    } else if (order.to === nodeName && this.answering !== order.id) {
      this.answering = order.id;
      void this.reply(order);
    } else if (order.from === nodeName && leading && this.isAccepted(order)) {
      // A node that stops lets go anyway, after a moment for the requests under way.
      if (this.releasing === order.id || this.isLeaving) return;
      this.releasing = order.id;
      void this.options.release(order);
    }
  }

  /**
   * Resolves when another node leads. Rejects with CONFLICT and the reason when no other node can, or none does in time; with
   * NOT_FOUND when there is no node `to`.
   */
  async ask(wish: HandOverWish): Promise<HandedOver> {
    const from = this.options.leadership().leader;
    if (from === undefined) throw conflict('no node leads now, so nothing can be handed over');
    if (wish.to === from) return { from, to: from };
    const order = this.orderOf(wish, from);
    const lease = await this.write(order);
    try {
      await this.accepted(order, answerWithin);
      await this.until(() => this.isOver(order), doneWithin);
    } finally {
      revokeLease(this.options.client, lease, { totalMs: 1000, attemptMs: 300 }).catch(() => {});
    }
    const { leader } = this.options.leadership();
    if (leader === order.to) return { from, to: order.to };
    if (leader === undefined) throw conflict(`${from} let go, and no node leads yet; see the status`);
    throw conflict(
      leader === from
        ? `${order.to} was ready to lead, but ${from} did not let go`
        : `${order.to} was ready to lead, but ${leader} was faster and leads now`,
    );
  }

  /** Has the best of the others get ready within `ms`, because this node leaves. Never rejects. */
  async announce(why: string, ms: number): Promise<void> {
    this.isLeaving = true;
    const { nodeName, log } = this.options;
    try {
      const order = this.orderOf({ by: nodeName, why }, nodeName);
      await Promise.race([
        this.write(order).then(() => this.accepted(order, ms)),
        new Promise<void>(resolve => this.options.clock.after(ms, resolve)),
      ]);
    } catch (thrown) {
      log.debug({ err: thrown }, 'no other node is ready to lead');
    }
  }

  private isOver({ from, id }: HandOverOrder): boolean {
    const { leader } = this.options.leadership();
    const order = this.options.board.order;
    return leader !== undefined && (leader !== from || (order !== undefined && order.id !== id));
  }

  private orderOf(wish: HandOverWish, from: string): HandOverOrder {
    const { by, why, pools = [] } = wish;
    const to = wish.to ?? this.best(from);
    this.expectFit(to);
    return { id: randomUUID(), from, to, by, why, pools: [...pools] };
  }

  private best(from: string): string {
    const others = [...this.options.board.candidacies].filter(([name]) => name !== from);
    const [best] = bestFirst(others.filter(([, { unfit }]) => unfit === undefined));
    if (best !== undefined) return best[0];
    const why = others.map(([name, { unfit }]) => `${name}: ${unfit}`).join('; ');
    throw conflict(`no other node can lead (${why || 'there is no other candidate'})`);
  }

  private expectFit(to: string): void {
    const { candidacies } = this.options.board;
    const candidacy = candidacies.get(to);
    if (candidacy === undefined) {
      const near = nearest(to, [...candidacies.keys()]);
      const hint =
        near === undefined ? `candidates are ${[...candidacies.keys()].join(', ')}` : `did you mean ${near}?`;
      throw new WeldrError('NOT_FOUND', `no node ${JSON.stringify(to)} takes part in the election; ${hint}`);
    }
    if (candidacy.unfit !== undefined) throw conflict(`${to} cannot lead: ${candidacy.unfit}`);
  }

  /** Writes the order; resolves with its lease. Rejects with CONFLICT while another order exists. */
  private async write(order: HandOverOrder): Promise<string> {
    const { client, keys } = this.options;
    const lease = await grantLease(client, orderLease);
    const key = Buffer.from(keys.handOver);
    const value = Buffer.from(JSON.stringify({ schema: 1, ...order }));
    const answer = await client.call(
      async (etcd, options) =>
        await etcd.kv.txn(
          {
            compare: [{ key, target: 'Create', result: 'Equal', create_revision: 0 }],
            success: [{ request_put: { key, value, lease: lease.id } }],
          },
          options,
        ),
    );
    if (answer.succeeded) return lease.id;
    revokeLease(client, lease.id).catch(() => {});
    throw conflict('another hand-over is under way; look again in a few seconds');
  }

  private answerTo({ id, to }: HandOverOrder): Candidacy['answer'] {
    const answer = this.options.board.candidacies.get(to)?.answer;
    return answer?.order === id ? answer : undefined;
  }

  private isAccepted(order: HandOverOrder): boolean {
    const answer = this.answerTo(order);
    return answer !== undefined && answer.refusal === undefined;
  }

  /** Resolves when the next leader is ready. */
  private async accepted(order: HandOverOrder, ms: number): Promise<void> {
    await this.until(() => this.answerTo(order) !== undefined, ms);
    const answer = this.answerTo(order);
    if (answer === undefined) throw conflict(`${order.to} does not answer; nothing was changed`);
    if (answer.refusal !== undefined) throw conflict(`${order.to} cannot lead: ${answer.refusal}`);
  }

  private async reply(order: HandOverOrder): Promise<void> {
    const refusal = await this.options.makeReady(order).catch(String);
    this.answer = { order: order.id, ...(refusal !== undefined && { refusal }) };
    this.options.answered();
  }

  /** Resolves when the condition holds, or after `ms`. */
  private async until(holds: () => boolean, ms: number): Promise<void> {
    if (holds()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (holds()) resolve();
    };
    this.looks.add(look);
    const cancel = this.options.clock.after(ms, resolve);
    await promise;
    cancel();
    this.looks.delete(look);
  }
}

const conflict = (text: string): WeldrError => new WeldrError('CONFLICT', text);
