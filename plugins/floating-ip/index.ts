// floating-ip: gives the leader of the cluster the service address, so that a pair needs no keepalived.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import type { ManagerEvents } from '../../core/events/plugin-events.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import type { CancelTimer } from '../../core/time/clock.ts';
import { parseAddress } from './address.ts';
import type { AddressObserver } from './address-holder.ts';
import { HolderClient, needs } from './holder-client.ts';

const addressText = z.string().meta({ examples: ['10.0.0.100/24'] });

const address = z.string().transform((text, context) => {
  const parsed = parseAddress(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({
    code: 'custom',
    message: `expected an address with its prefix length such as "10.0.0.100/24", got ${JSON.stringify(text)}`,
  });
  return z.NEVER;
});

const schema = z
  .strictObject({
    address: z
      .union([addressText, z.array(addressText).min(1).max(64)])
      .transform(input => (typeof input === 'string' ? [input] : input))
      .pipe(z.array(address))
      .describe('The service address, or several, IPv4 and IPv6; with the prefix length of their network.'),
    interface: z
      .string()
      .regex(/^[\w.@-]{1,15}$/, 'expected the name of an interface such as "eth0"')
      .describe('The interface on which clients reach it.'),
  })
  .describe('Gives the leader of the cluster the service address.');

/** What is kept over reloads. */
interface Memory {
  holder: HolderClient | undefined;
  /** The options of the holder, as JSON. */
  made: string;
  /** Cancels the end of a holder whose config has no successor. */
  cancelEnd: CancelTimer | undefined;
}

/** Options of {@link floatingIp}. */
export type FloatingIpOptions = z.input<typeof schema>;

// Without an election no node would ever hold the address, and nothing would report that. ms.
const electionExpectedWithin = 15_000;
/** After a reload the next floating-ip takes over much sooner, ms. */
const parkedFor = 5000;

/**
 * Gives the leader the address for a limited time, which it renews: the kernel silences the address of a node that was killed, hangs
 * or is cut off before another node may take it. Needs a plugin that elects a leader, such as etcd. A start fails with
 * CONFIG_INVALID when a tool, the interface or a privilege is missing.
 */
export const floatingIp = definePlugin({
  name: 'floating-ip',
  schema,
  memory: (): Memory => ({ holder: undefined, made: '', cancelEnd: undefined }),
  leadershipNeed: () => needs.nft,
  async manager(manager, options) {
    const { hooks, log, clock, metrics, onClose, status, events, memory } = manager;
    const held = metrics.gauge({
      name: 'floating_ip_held',
      help: 'Whether this node holds the service address.',
    });
    const holder = await takeHolder(options, manager);
    const addresses = options.address.map(({ text }) => text).join(', ');
    holder.observer = eventsOf(addresses, events);
    const cancelReminder = clock.after(electionExpectedWithin, () => {
      log.error('no leader has been elected yet; is there an etcd() in the config, and does etcd answer?');
    });
    hooks.leadershipNeeds.tap('floating-ip', list => void list.push(holder.need));
    hooks.leaderChanged.tapPromise('floating-ip', async leadership => {
      if (leadership.leader !== undefined) cancelReminder();
      if (leadership.leading) await holder.hold(leadership);
      else await holder.release();
      held.set(holder.holding ? 1 : 0);
    });
    hooks.serviceAddresses.tap('floating-ip', list => {
      const { holding, whyNotHeld: reason } = holder;
      for (const { text } of options.address) list.push({ address: text, held: holding, reason });
    });
    hooks.mayLead.tap('floating-ip', objections => {
      if (holder.objection !== undefined) objections.push(holder.objection);
      if (linkIsDown(options.interface)) objections.push(`${options.interface} has no link`);
    });
    onClose(async () => {
      cancelReminder();
      if (status.stopping) {
        await holder.end();
        memory.holder = undefined;
        return;
      }
      // After a reload the next floating-ip continues; without one, nothing renews the address.
      memory.cancelEnd = clock.after(parkedFor, () => {
        memory.holder = undefined;
        void holder.end();
      });
    });
  },
});

/** Reports changes of the addresses as events, and complaints as a problem. */
function eventsOf(addresses: string, events: ManagerEvents): AddressObserver {
  return {
    held(isHeld) {
      const text = isHeld ? `this node holds ${addresses}` : `this node let go of ${addresses}`;
      events.add({ type: isHeld ? 'address.held' : 'address.released', text, address: addresses });
    },
    complaint: reason =>
      events.problem(
        'address',
        reason === undefined
          ? undefined
          : { severity: 'error', text: `${addresses} is not held: ${reason}`, address: addresses },
      ),
  };
}

/** Returns whether the kernel reports that there is no link. An unknown state counts as up. */
function linkIsDown(interfaceName: string): boolean {
  try {
    return readFileSync(`/sys/class/net/${interfaceName}/carrier`, 'utf8').trim() === '0';
  } catch (thrown) {
    // The kernel's error for an interface that is switched off.
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EINVAL';
  }
}

/** Returns the holder from before a reload if its options are the same, or a new one. */
async function takeHolder(
  options: z.output<typeof schema>,
  manager: ManagerSide<never, never, Memory>,
): Promise<HolderClient> {
  const { memory, log, clock } = manager;
  const made = JSON.stringify(options);
  const before = memory.holder;
  memory.cancelEnd?.();
  if (before !== undefined) {
    if (memory.made === made) return before;
    memory.holder = undefined;
    await before
      .end()
      .catch((thrown: unknown) =>
        log.error(
          { reason: describeError(thrown) },
          'the addresses of the previous config could not be released',
        ),
      );
  }
  const holder = new HolderClient({
    addresses: options.address,
    interface: options.interface,
    log,
    clock,
  });
  await holder.start();
  memory.holder = holder;
  memory.made = made;
  return holder;
}
