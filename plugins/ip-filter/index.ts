// ip-filter: answers 403 to clients by their addresses.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { reply } from '../../core/request/reply.ts';
import { AddressList, isNetwork } from './address-list.ts';

const network = z.string().refine(isNetwork, {
  error: issue => `expected an address or a network such as "10.0.0.0/8", got ${JSON.stringify(issue.input)}`,
});

const options = z.strictObject({
  /** Who may send requests; empty: everybody. */
  allow: z.array(network).max(100_000).default([]),
  /** Who may not, even if allowed above. */
  deny: z.array(network).max(100_000).default([]),
});

const refusal = reply(403, '403 this address may not send requests\n');

/** What `ipFilter` takes, as people write it. */
export type IpFilterOptions = z.input<typeof options>;

/** The plugin that lets requests in by client address: `ipFilter({ allow: ['10.0.0.0/8'] })`. */
export const ipFilter = definePlugin({
  name: 'ip-filter',
  schema: options,
  worker({ hooks }, lists) {
    const allow = new AddressList(lists.allow);
    const deny = new AddressList(lists.deny);
    hooks.request.tap('ip-filter', ({ clientIp }) => {
      const admitted = (allow.isEmpty || allow.has(clientIp)) && !deny.has(clientIp);
      return admitted ? undefined : refusal;
    });
  },
});
