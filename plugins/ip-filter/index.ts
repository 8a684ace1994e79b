// ip-filter: answers 403 to clients by their addresses.
import { z } from 'zod';
import { NetworkSet, peer, unixPeer, unknownClient } from '../../core/network/network.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { reply } from '../../core/request/reply.ts';

const options = z
  .strictObject({
    allow: z.array(peer).max(100_000).default([]).describe('Who may send requests; empty: everybody.'),
    deny: z.array(peer).max(100_000).default([]).describe('Who may not, even if allowed above.'),
  })
  .describe('Refuses clients by their addresses, with 403.');

const refusal = reply(403, '403 this address may not send requests\n');

/** What `ipFilter` takes, as people write it. */
export type IpFilterOptions = z.input<typeof options>;

/** The plugin that lets requests in by client address: `ipFilter({ allow: ['10.0.0.0/8'] })`. */
export const ipFilter = definePlugin({
  name: 'ip-filter',
  schema: options,
  worker({ hooks }, lists) {
    const allow = new NetworkSet(lists.allow);
    const deny = new NetworkSet(lists.deny);
    hooks.request.tap('ip-filter', ({ clientIp }) => {
      // Who has no address may be somebody that is denied: without a word for them, they are not let in.
      const hasAddress = clientIp !== unixPeer && clientIp !== unknownClient;
      const allowed = allow.isEmpty ? hasAddress || deny.isEmpty : allow.has(clientIp);
      const admitted = allowed && !deny.has(clientIp);
      return admitted ? undefined : refusal;
    });
  },
});
