// The manager side of acme: one node orders, all nodes answer challenges.
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
import { addRoutes } from './routes.ts';

/** How long other nodes have to learn of a challenge before the authority does, ms. */
const clusterDelay = 1_000;

/** How often to check whether workers listen, until they do, ms. */
const lookInterval = 30_000;

/** What survives a reload. */
export interface Memory {
  /** Names whose orders a reload cut off when the ledger could not be updated. */
  readonly cutOff: Set<string>;
}

type Side = ManagerSide<ToManager, ToWorker, Memory>;

/** Starts the manager side. Throws CONFIG_INVALID for an unusable `ca`. */
export function startManager(side: Side, settings: AcmeSettings): void {
  const { certificates, channel, clock, events, hooks, log, memory, onClose, operator, pools, status } = side;
  const { directory, domains, keyType } = settings;
  const ending = new AbortController();
  const { signal } = ending;
  let listening = false;
  let leading = false;
  const isShared = (): boolean => operator.layer === 'cluster';
  const isInCharge = (): boolean => leading || !isShared();
  const ledger = new Ledger(pools, operator, () => {
    if (!listening) return;
    if (isShared()) board.show(ledger.challenges);
    renewals.review();
  });
  const board = new ChallengeBoard(channel, clock);
  const ca = readAuthorities(settings.ca);
  const issuer = new Issuer({ ...settings, ca, userAgent: `weldr/${status.version}`, ledger, clock, signal });
  const renewals = new Renewals({
    wishes: domains,
    directory,
    keyType,
    issuer,
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
    async answer(answers) {
      if (isShared()) await shareChallenges(answers, { ledger, clock, log, signal });
      await board.set(answers);
    },
    mayOrder: () => listening && isInCharge(),
    random: Math.random,
  });
  hooks.workerReady.tap('acme', worker => board.tell(worker));
  hooks.workerExited.tap('acme', worker => board.forget(worker));
  hooks.leaderChanged.tap('acme', leadership => {
    if (leading === leadership.leading) return;
    leading = leadership.leading;
    renewals.review();
  });
  certificates.observe(name => {
    if (domains.some(wish => wish.name === name)) renewals.review();
  });
  const stopLooking = onceListening(side, () => {
    listening = true;
    if (isShared()) board.show(ledger.challenges);
    renewals.review();
  });
  const end = async (): Promise<void> => {
    stopLooking();
    ending.abort(new Error('acme ends'));
    await renewals.ended();
  };
  // At a stop, before the store ends, so that an order that is cut off is not stored as a failure.
  hooks.stopping.tapPromise('acme', end);
  onClose(async () => {
    await end();
    await issuer.close();
  });
  addRoutes(side, { directory, domains, ledger, renewals, isInCharge });
}

/** Calls `begin` once workers listen, unless the returned function is called before. */
function onceListening({ hooks, clock, status }: Side, begin: () => void): () => void {
  let isOver = false;
  const end = (): void => {
    isOver = true;
    cancel();
  };
  const start = (): void => {
    if (isOver) return;
    end();
    begin();
  };
  // A failed reload starts this side again, with workers that already listen.
  const cancel = clock.every(lookInterval, () => {
    if (status.readyWorkers > 0) start();
  });
  hooks.listening.tap('acme', start);
  return end;
}

/** Publishes answers for the other nodes, which may keep outdated ones for a while. */
async function shareChallenges(
  answers: Readonly<Record<string, string>>,
  { ledger, clock, log, signal }: Pick<Side, 'clock' | 'log'> & { ledger: Ledger; signal: AbortSignal },
): Promise<void> {
  if (Object.keys(answers).length > 0) {
    await ledger.setChallenges(answers);
    await pause(clusterDelay, clock, signal);
    return;
  }
  await ledger.setChallenges(answers).catch((thrown: unknown) => {
    log.debug({ reason: describeError(thrown) }, 'answers to challenges stay in the store');
  });
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
