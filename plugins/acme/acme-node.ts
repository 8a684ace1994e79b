// AcmeNode: the part of one node in orders: it answers challenges as all nodes do, and orders if it is in charge.
import { readFileSync } from 'node:fs';
import { certificatesIn } from '../../core/certificates/pem.ts';
import { describeError, WeldrError } from '../../core/errors.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import { ChallengeBoard, type ToManager, type ToWorker } from './challenge-board.ts';
import { Issuer } from './issuer.ts';
import { Ledger } from './ledger.ts';
import type { AcmeSettings } from './options.ts';
import { pause } from './pause.ts';
import { Renewals } from './renewals.ts';

/** How long other nodes have to learn of a challenge before the authority does, ms. */
const clusterDelay = 1_000;

/** What survives a reload. */
export interface Memory {
  /** Names whose orders a reload cut off when the ledger could not be updated. */
  readonly cutOff: Set<string>;
}

/** The manager side that a node belongs to. */
export type Side = ManagerSide<ToManager, ToWorker, Memory>;

/** One node. */
export class AcmeNode {
  readonly board: ChallengeBoard;
  readonly ledger: Ledger;
  readonly renewals: Renewals;
  private readonly side: Side;
  private readonly issuer: Issuer;
  private readonly ending = new AbortController();
  private isListening = false;
  private isLeading = false;

  /** Throws CONFIG_INVALID for an unusable `ca`. */
  constructor(side: Side, settings: AcmeSettings) {
    const { certificates, channel, clock, events, log, memory, operator, pools, status } = side;
    const { directory, domains, keyType } = settings;
    const { signal } = this.ending;
    this.side = side;
    this.board = new ChallengeBoard(channel, clock);
    this.ledger = new Ledger(pools, operator, () => this.follow());
    const { ledger } = this;
    const ca = readAuthorities(settings.ca);
    const userAgent = `weldr/${status.version}`;
    this.issuer = new Issuer({ ...settings, ca, userAgent, ledger, clock, signal });
    this.renewals = new Renewals({
      wishes: domains,
      directory,
      keyType,
      issuer: this.issuer,
      ledger,
      certificates,
      cutOff: memory.cutOff,
      clock,
      log,
      events,
      signal,
      certificateOf(name) {
        const cert = operator.entity('certificate', name)?.value['cert'];
        return typeof cert === 'string' ? cert : undefined;
      },
      answer: answers => this.answer(answers),
      mayOrder: () => this.isListening && this.isInCharge,
      random: Math.random,
    });
  }

  /** Whether this node orders: the leader does, or the only node. */
  get isInCharge(): boolean {
    return this.isLeading || !this.isShared;
  }

  /** Call it when workers listen, so that the authority can reach this node. */
  listens(): void {
    this.isListening = true;
    this.follow();
  }

  leads(isLeading: boolean): void {
    if (this.isLeading === isLeading) return;
    this.isLeading = isLeading;
    this.renewals.review();
  }

  /** Resolves when no order is in progress. An order that is cut off is not stored as a failure while the store works. */
  async end(): Promise<void> {
    this.ending.abort(new Error('acme ends'));
    await this.renewals.ended();
  }

  /** Call it after {@link end}. */
  async close(): Promise<void> {
    await this.issuer.close();
  }

  private get isShared(): boolean {
    return this.side.operator.layer === 'cluster';
  }

  /** Follows changes of the ledger, here or on another node. */
  private follow(): void {
    if (!this.isListening) return;
    if (this.isShared) this.board.show(this.ledger.challenges);
    this.renewals.review();
  }

  private async answer(answers: Readonly<Record<string, string>>): Promise<void> {
    if (this.isShared) await this.share(answers);
    await this.board.set(answers);
  }

  /** Publishes answers for the other nodes, which may keep outdated ones for a while. */
  private async share(answers: Readonly<Record<string, string>>): Promise<void> {
    const { clock, log } = this.side;
    if (Object.keys(answers).length > 0) {
      await this.ledger.setChallenges(answers);
      await pause(clusterDelay, clock, this.ending.signal);
      return;
    }
    await this.ledger.setChallenges(answers).catch((thrown: unknown) => {
      log.debug({ reason: describeError(thrown) }, 'answers to challenges stay in the store');
    });
  }
}

function readAuthorities(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const refuse = (why: string): WeldrError =>
    new WeldrError('CONFIG_INVALID', `ca: ${path} ${why}`, { field: 'ca' });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    throw refuse(`cannot be read: ${describeError(thrown)}`);
  }
  if (certificatesIn(text) !== undefined) return text;
  throw refuse('holds no certificate that can be read; expected PEM, -----BEGIN CERTIFICATE-----');
}
