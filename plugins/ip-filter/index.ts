// ip-filter: answers 403 to clients by their addresses.
import { z } from 'zod';
import { definePlugin, type Plugin } from '../../core/plugin/plugin.ts';
import { reply } from '../../core/request/context.ts';
import { peer, unixPeer } from '../../core/settings/network.ts';
import { AddressList } from './address-list.ts';

const options = z.strictObject({
  /** Who may send requests; empty: everybody. */
  allow: z.array(peer).max(100_000).default([]),
  /** Who may not, even if allowed above. */
  deny: z.array(peer).max(100_000).default([]),
});

/** What `ipFilter` takes, as people write it. */
export type IpFilterOptions = z.input<typeof options>;

/** The plugin that lets requests in by client address: `ipFilter({ allow: ['10.0.0.0/8'] })`. Put it first. */
export function ipFilter(input: IpFilterOptions = {}): Plugin {
  return definePlugin('ip-filter', options, input, lists => ({
    worker({ hooks }) {
      const allow = new AddressList(lists.allow);
      const deny = new AddressList(lists.deny);
      hooks.selectUpstream.tap('ip-filter', ({ clientIp }) => {
        // Who has no address may be somebody that is denied: without a word for them, they are not let in.
        const allowed = allow.isEmpty ? clientIp !== unixPeer || deny.isEmpty : allow.has(clientIp);
        const admitted = allowed && !deny.has(clientIp);
        return admitted ? undefined : reply(403, '403 this address may not send requests\n');
      });
    },
  }));
}
