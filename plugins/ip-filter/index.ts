// ip-filter: admits clients by their addresses, and answers 403 to all others.
import { z } from 'zod';
import { hasAddress } from '../../core/network/client-address.ts';
import { NetworkSet, peer } from '../../core/network/network.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { reply } from '../../core/request/reply.ts';

const options = z
  .strictObject({
    allow: z
      .array(peer)
      .max(100_000)
      .default([])
      .describe('Addresses and networks that may send requests; empty: all.'),
    deny: z
      .array(peer)
      .max(100_000)
      .default([])
      .describe('Addresses and networks that may not, even if `allow` names them.'),
  })
  .describe('Refuses clients by their addresses, with 403.');

const refusal = reply(403, '403 this address may not send requests\n');

/** The options of `ipFilter`, as written in a config. */
export type IpFilterOptions = z.input<typeof options>;

/** Admits requests by the client's address: `ipFilter({ allow: ['10.0.0.0/8'] })`. */
export const ipFilter = definePlugin({
  name: 'ip-filter',
  schema: options,
  worker({ hooks }, lists) {
    const allow = new NetworkSet(lists.allow);
    const deny = new NetworkSet(lists.deny);
    hooks.request.tap('ip-filter', ({ clientIp }) => {
      // A client without an address could be one that is denied: it is admitted only if `allow` names it.
      const allowed = allow.isEmpty ? hasAddress(clientIp) || deny.isEmpty : allow.has(clientIp);
      const admitted = allowed && !deny.has(clientIp);
      return admitted ? undefined : refusal;
    });
  },
});
