// An example plugin for `leaderChanged`: points a DNS record at the leader, through an HTTP API of the zone. It is for
// places without floating addresses, such as several networks or a cloud.
import { definePlugin } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** The URL that sets the record: it gets `PUT {"name", "type": "A", "ttl", "value"}`. */
  api: z.url(),
  token: z.string().min(1),
  /** Such as `www.example.org`. */
  name: z.string().min(1),
  /** This node's address. */
  address: z.ipv4(),
  /** How long resolvers keep the record, seconds: clients may use the old leader for that long. */
  ttl: z.number().int().min(1).default(10),
});

/** Sets the record when this node becomes the leader, and tries again after a failure. */
export const dnsRecord = definePlugin({
  name: 'dns-record',
  schema: options,
  manager({ hooks, log }, { api, token, name, address, ttl }) {
    let set = false;
    // This runs at each renewal too, and the next plugin waits for it, so it does not wait for the API.
    hooks.leaderChanged.tap('dns-record', ({ leading }) => {
      if (!leading) set = false;
      else if (!set) {
        set = true;
        setRecord().catch(thrown => {
          set = false;
          log.error({ err: thrown }, 'the record could not be set; trying again with the next renewal');
        });
      }
    });

    async function setRecord(): Promise<void> {
      const answer = await fetch(api, {
        method: 'PUT',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name, type: 'A', ttl, value: address }),
        signal: AbortSignal.timeout(5000),
      });
      if (!answer.ok) throw new Error(`the API of the zone answered ${answer.status}`);
      log.info({ name, address }, 'the record points here');
    }
  },
});
