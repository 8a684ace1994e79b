// AcmeRoutes: the routes of acme in the admin API: the state of certificates, and the retry of a failed order.
import { WeldrError } from '../../core/errors.ts';
import type { AdminAnswer } from '../../core/plugin/admin.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import type { Ledger } from './ledger.ts';
import type { Renewals } from './renewals.ts';
import type { Wish } from './wanted-certificate.ts';

/** What the routes show. */
interface Orders {
  readonly directory: string;
  readonly domains: readonly Wish[];
  readonly ledger: Ledger;
  readonly renewals: Renewals;
  /** Whether this node orders. */
  isInCharge(): boolean;
}

type Means = Pick<ManagerSide, 'admin' | 'certificates' | 'clock'>;

/** Adds them. */
export function addRoutes({ admin, certificates, clock }: Means, orders: Orders): void {
  const view = (status: number): AdminAnswer => ({
    status,
    body: {
      directory: orders.directory,
      ordersHere: orders.isInCharge(),
      certificates: orders.domains.map(wish => shown(wish, orders, certificates)),
    },
  });
  admin.add({
    method: 'GET',
    path: '/acme',
    rel: 'acme',
    summary: 'The ordered certificates, their state, and when the next order is due',
    answers: { 200: 'The certificates' },
    handle: () => view(200),
  });
  admin.add({
    method: 'POST',
    path: '/acme/:name/retry',
    summary: 'Retry a failed order now, unless a rate limit of the authority applies',
    answers: { 202: 'It is being retried' },
    async handle({ params }) {
      await retry(params['name'] ?? '', orders, clock.now());
      return view(202);
    },
  });
}

/** Rejects with NOT_FOUND, CONFLICT or STORE_UNAVAILABLE. */
async function retry(name: string, { domains, ledger }: Orders, now: number): Promise<void> {
  if (domains.every(wish => wish.name !== name)) {
    throw new WeldrError('NOT_FOUND', `acme does not order a certificate ${name}; GET /acme lists them`);
  }
  const { failures, lastFailure, notBefore = 0 } = ledger.entry(name);
  if (failures === 0) throw new WeldrError('CONFLICT', `the order of ${name} has not failed`);
  if (lastFailure?.type === 'rateLimited' && notBefore > now) {
    const time = new Date(notBefore).toISOString();
    throw new WeldrError('CONFLICT', `the authority rate-limits orders of ${name}: not before ${time}`);
  }
  await ledger.change(name, { notBefore: now });
}

/** One certificate; times are ms since the epoch. */
function shown(wish: Wish, { renewals, ledger }: Orders, certificates: Means['certificates']): object {
  const { name, names } = wish;
  const standing = renewals.standing(wish);
  const { failures, lastFailure } = ledger.entry(name);
  const { notAfter } = certificates.get(name) ?? {};
  return {
    name,
    names,
    state: renewals.ordering === name ? 'ordering' : standing.is,
    ...(standing.is === 'missing' && { why: standing.why }),
    ...(notAfter !== undefined && { notAfter }),
    ...(standing.due !== undefined && { nextOrder: standing.due }),
    failures,
    ...(lastFailure !== undefined && { lastFailure }),
  };
}
