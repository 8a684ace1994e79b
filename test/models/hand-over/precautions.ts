// The sound settings, and the purpose of each precaution: without it, the search finds two holders, or none.
import { ticketLife } from '../../../plugins/floating-ip/packet-fence.ts';
import { type Adversary, adversary, type Protocol, protocol } from './protocol.ts';

/** A protocol and the adversary it is tried against. */
export interface Setting {
  readonly p: Protocol;
  readonly a: Adversary;
}

/** A precaution that is left out. */
export interface LeftOut extends Setting {
  readonly name: string;
  /** The result of leaving it out. */
  readonly leadsTo: 'two holders' | 'no holder';
  /** The seed of a run that shows it. */
  readonly seed: number;
}

const failsafe = { failsafe: true };
const orders = { orders: true };
const byLifetime = { fence: false };
const short = { lease: 1000, renew: 150, holdOff: 100, ticket: ticketLife };

/** Settings that never have two holders, or none for long. */
export const sound: Readonly<Record<string, Setting>> = {
  'the fence, a lease of 2 s': { p: protocol, a: adversary },
  'the fence, a lease of 1 s': { p: { ...protocol, ...short }, a: adversary },
  'the fence, a lease of 5 s': { p: { ...protocol, lease: 5000, renew: 625 }, a: adversary },
  'the lifetime of the address alone': { p: { ...protocol, ...byLifetime }, a: adversary },
  'a pair': { p: protocol, a: { ...adversary, nodes: 2 } },
  failsafe: { p: { ...protocol, ...failsafe }, a: adversary },
  'failsafe, a lease of 1 s': { p: { ...protocol, ...failsafe, ...short }, a: adversary },
  'failsafe, the lifetime of the address alone': {
    p: { ...protocol, ...failsafe, ...byLifetime },
    a: adversary,
  },
  'failsafe, a pair': { p: { ...protocol, ...failsafe }, a: { ...adversary, nodes: 2 } },
  'orders to hand over, ready leases, priorities and maintenance': {
    p: { ...protocol, ...orders },
    a: adversary,
  },
  'orders, a lease of 1 s': { p: { ...protocol, ...orders, ...short }, a: adversary },
  'orders, the lifetime of the address alone': { p: { ...protocol, ...orders, ...byLifetime }, a: adversary },
  'orders, a pair with failsafe': {
    p: { ...protocol, ...orders, ...failsafe },
    a: { ...adversary, nodes: 2 },
  },
  'an etcd that is three': { p: protocol, a: { ...adversary, split: true } },
};

const without = (
  name: string,
  p: Partial<Protocol>,
  seed = 1,
  a: Partial<Adversary> = {},
  leadsTo: LeftOut['leadsTo'] = 'two holders',
): LeftOut => ({ name, p: { ...protocol, ...p }, a: { ...adversary, ...a }, seed, leadsTo });

/** Each precaution, left out. */
export const needed: readonly LeftOut[] = [
  without('counting a lease from the time when it was requested', { countFromAsking: false }, 33),
  without("having etcd's majority confirm renewals", { confirm: false }, 33),
  without('waiting for the hold-off', { waitHoldOff: false, holdOff: 600 }, 3),
  without(
    'writing `released` only after having acted',
    { releaseOnlyAfterActing: false, holdOff: 1500 },
    1052,
  ),
  without('ending commands that were frozen', { ...byLifetime, guard: false }, 404),
  without('allowing for the lateness of the kernel', { ...byLifetime, kernelLateness: 0 }, 9),
  without('tickets for changes of the fence', { tickets: false }, 53),
  without('closing a session forever', { closeForEver: false }, 1),
  without('taking the address away before ending the leadership', { surrenderWhenGone: false }, 17),
  without('comparing the create revision', { compareRevision: false }, 1),
  without('telling the manager before the leadership is ended', { tellBeforeSurrender: false }, 105),
  without('keeping the key until the address is gone', { keepKeyUntilGone: false }, 79),
  without('stepping down when the holder refuses', { stepDownWhenRefused: false }, 93, {}, 'no holder'),
  without('an end of the preference of a named node', { preference: 1e9 }, 5, {}, 'no holder'),
  without('counting a ready lease from its renewal', { ...orders, countReadyFromRenewal: false }, 270),
  without("comparing the members' identity", { compareIdentity: false }, 1, { split: true }),
  without("every member's promise", { ...failsafe, askAll: false }, 4),
  without('members that keep their promise', { ...failsafe, keepPromise: false }, 5),
  without(
    'the end of failsafe once it was interrupted',
    { ...failsafe, ...byLifetime, unbroken: false },
    491,
  ),
  without('refusing a promise while standing', { ...failsafe, refuseWhileStanding: false }, 680),
  without('a list of the nodes that may stand', { ...failsafe, onlyListed: false }, 20),
  without('waiting after a start', { ...failsafe, waitAfterStart: false }, 10),
  without(
    'letting any node stand when the list is empty',
    { ...failsafe, anybodyForEmptyList: false },
    106,
    { nodes: 2 },
    'no holder',
  ),
  without("a machine's kernel that continues (not guaranteed)", {}, 15, { pauses: true }),
];
