// The protocol of the hand-over that the model plays: its times in ms, and its precautions, each of which can be left
// out to show its purpose.
import { clockDrift } from '../../../plugins/etcd/election-times.ts';
import { commandTime, kernelLateness } from '../../../plugins/floating-ip/address-holder.ts';

/** Times and precautions. */
export interface Protocol {
  readonly lease: number;
  readonly renew: number;
  readonly holdOff: number;
  /** The share by which two clocks may differ, as the protocol assumes. */
  readonly clockDrift: number;
  /** Whether a fence of nftables excludes; otherwise the lifetime of the address does. */
  readonly fence: boolean;
  /** How long a ticket for a change of the fence is valid: longer when renewals are further apart. */
  readonly ticket: number;
  /** How late the kernel may be, as the holder assumes: with the fence, and with an address. */
  readonly fenceLateness: number;
  readonly kernelLateness: number;
  /** How long a command that sets an address may take, as the holder assumes. */
  readonly commandTime: number;
  /** A holder that hears nothing for this long closes the session. */
  readonly silence: number;
  /** How long nodes stand back for the successor that a hand-over names. */
  readonly preference: number;
  /** Hand over by orders that the next leader has accepted, with a lease ready; priorities and maintenance. */
  readonly orders: boolean;
  /** How long nodes leave a free leadership to the node that an order names, and to one of a higher priority. */
  readonly behindChosen: number;
  readonly behindAnother: number;
  /** Without a majority of etcd continue by the promises of all other candidates. */
  readonly failsafe: boolean;
  /** How long a promise counts. */
  readonly promise: number;
  /** How long the leader waits for a promise. */
  readonly peerPatience: number;

  // --- precautions ---------------------------------------------------------------------------------------------

  /** Count a lease from the time when the renewal was requested, not from its answer. */
  readonly countFromAsking: boolean;
  /** Have etcd's majority confirm each renewal. */
  readonly confirm: boolean;
  /** Wait for the hold-off that the previous leader counts on. */
  readonly waitHoldOff: boolean;
  /** Write `released` only after having acted. */
  readonly releaseOnlyAfterActing: boolean;
  /** Without a fence, end a command that was frozen for a second or more before the kernel received it. */
  readonly guard: boolean;
  /** A change of the fence needs a ticket that has not expired. */
  readonly tickets: boolean;
  /** Allow for a change of the fence in the last moment of its ticket. */
  readonly reckonTicket: boolean;
  /** No two holders of a machine give tickets the same name. */
  readonly uniqueTickets: boolean;
  /** Refuse orders of a session that was closed. */
  readonly closeForEver: boolean;
  /** End the leadership in etcd only when the address is really gone. */
  readonly surrenderWhenGone: boolean;
  /** Compare the key's create revision when a leadership is ended. */
  readonly compareRevision: boolean;
  /** Report a closed session to the manager before ending it in etcd, so that it knows even if the holder dies. */
  readonly tellBeforeSurrender: boolean;
  /** Keep the key while the last order holds, unless the holder reports that the address is gone. */
  readonly keepKeyUntilGone: boolean;
  /** Run one command after another. */
  readonly oneCommandAtATime: boolean;
  /** A manager whose session its holder has closed steps down. */
  readonly stepDownWhenRefused: boolean;
  /** Do not lead while members of etcd differ in their identity, or a majority of them has not reported it. */
  readonly compareIdentity: boolean;

  /** Count a lease that was granted ahead from its last renewal, not from when the key was won. */
  readonly countReadyFromRenewal: boolean;

  // --- precautions of failsafe -----------------------------------------------------------------------------------

  /** Ask every member, not a majority of them. */
  readonly askAll: boolean;
  /** Count a promise from the time when it was requested. */
  readonly countPromiseFromAsking: boolean;
  /** A member that has promised does not stand. */
  readonly keepPromise: boolean;
  /** A leadership that has ended is not resumed by promises. */
  readonly unbroken: boolean;
  /** Promise nothing while a campaign of this node is under way or won. */
  readonly refuseWhileStanding: boolean;
  /** Only nodes on the list in etcd may stand. */
  readonly onlyListed: boolean;
  /** Allow for lists whose writing was not answered. */
  readonly reckonUnansweredLists: boolean;
  /** After a start wait for longer than an earlier promise may last. */
  readonly waitAfterStart: boolean;
  /** When the list is empty, any node may stand. */
  readonly anybodyForEmptyList: boolean;
}

/** The defaults of the plugins. */
export const protocol: Protocol = {
  lease: 2000,
  renew: 250,
  holdOff: 300,
  clockDrift,
  fence: true,
  ticket: 300,
  fenceLateness: 50,
  kernelLateness,
  commandTime,
  silence: 600,
  preference: 1500,
  orders: false,
  behindChosen: 1000,
  behindAnother: 150,
  failsafe: false,
  promise: 2300,
  peerPatience: 250,
  countFromAsking: true,
  confirm: true,
  waitHoldOff: true,
  releaseOnlyAfterActing: true,
  guard: true,
  tickets: true,
  reckonTicket: true,
  uniqueTickets: true,
  closeForEver: true,
  surrenderWhenGone: true,
  compareRevision: true,
  tellBeforeSurrender: true,
  keepKeyUntilGone: true,
  oneCommandAtATime: true,
  stepDownWhenRefused: true,
  compareIdentity: true,
  countReadyFromRenewal: true,
  askAll: true,
  countPromiseFromAsking: true,
  keepPromise: true,
  unbroken: true,
  refuseWhileStanding: true,
  onlyListed: true,
  reckonUnansweredLists: true,
  waitAfterStart: true,
  anybodyForEmptyList: true,
};

/** The faults that the model plays. */
export interface Adversary {
  readonly nodes: number;
  /** The time of one run, ms. */
  readonly duration: number;
  /** Lengths of the storms and the calms between them, ms. */
  readonly storm: number;
  readonly calm: number;
  /** Within this much of calm a node holds the address, ms. */
  readonly bound: number;
  /** How many nodes may stay dead during the calm. */
  readonly dead: number;
  /** Machines are paused with their kernels, against which the protocol does not guard. */
  readonly pauses: boolean;
  /** etcd was set up as clusters of one member each. */
  readonly split: boolean;
  /** The most steps of a run. */
  readonly steps: number;
}

/** The usual faults. */
export const adversary: Adversary = {
  nodes: 3,
  duration: 120_000,
  storm: 40_000,
  calm: 20_000,
  bound: 15_000,
  dead: 1,
  pauses: false,
  split: false,
  steps: Number.POSITIVE_INFINITY,
};
