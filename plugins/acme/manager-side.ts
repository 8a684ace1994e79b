// The manager side of acme: one node orders, all nodes answer challenges.
import { AcmeNode, type Side } from './acme-node.ts';
import type { AcmeSettings } from './options.ts';
import { addRoutes } from './routes.ts';

/** How often to check whether workers listen, until they do, ms. */
const lookInterval = 30_000;

/** Starts the manager side. Throws CONFIG_INVALID for an unusable `ca`. */
export function startManager(side: Side, settings: AcmeSettings): void {
  const { certificates, hooks, onClose } = side;
  const { directory, domains } = settings;
  const node = new AcmeNode(side, settings);
  const { board, ledger, renewals } = node;
  hooks.workerReady.tap('acme', worker => board.tell(worker));
  hooks.workerExited.tap('acme', worker => board.forget(worker));
  hooks.leaderChanged.tap('acme', ({ leading }) => node.leads(leading));
  certificates.observe(name => {
    if (domains.some(wish => wish.name === name)) renewals.review();
  });
  const stopLooking = onceListening(side, () => node.listens());
  const end = async (): Promise<void> => {
    stopLooking();
    await node.end();
  };
  // At a stop, before the store ends.
  hooks.stopping.tapPromise('acme', end);
  onClose(async () => {
    await end();
    await node.close();
  });
  addRoutes(side, { directory, domains, ledger, renewals, isInCharge: () => node.isInCharge });
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
