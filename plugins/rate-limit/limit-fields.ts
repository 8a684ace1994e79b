// LimitFields: the response fields that tell a client how many requests it has left
// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/, revision 10).
import type { HeaderList } from '../../core/request/headers.ts';
import { type Limit, refillTime } from './shares.ts';

/** Which fields: those of the draft, the older ones, both, or none. */
export type FieldKinds = 'none' | 'draft' | 'legacy' | 'both';

/** Writes the fields of one limit into responses. */
export class LimitFields {
  private readonly limit: Limit;
  private readonly hasDraft: boolean;
  private readonly hasLegacy: boolean;
  private readonly name: string;
  private readonly policy: string;
  private readonly quota: string;

  /** @param name the policy's: letters, digits, `-`, `_` and `.` */
  constructor(limit: Limit, kinds: FieldKinds, name: string) {
    this.limit = limit;
    this.hasDraft = kinds === 'draft' || kinds === 'both';
    this.hasLegacy = kinds === 'legacy' || kinds === 'both';
    this.name = name;
    this.quota = String(Math.floor(limit.burst));
    const window = Math.max(1, Math.ceil(refillTime(limit) / 1_000));
    this.policy = `"${name}";q=${this.quota};w=${window}`;
  }

  /** Writes the fields for `left` tokens. The draft's fields list all limits, the older ones only the tightest. */
  write(headers: HeaderList, left: number): void {
    const { burst, perMs } = this.limit;
    const remaining = Math.floor(left);
    const reset = Math.ceil((burst - left) / perMs / 1_000);
    if (this.hasDraft) {
      headers.append('RateLimit-Policy', this.policy);
      headers.append('RateLimit', `"${this.name}";r=${remaining};t=${reset}`);
    }
    if (!this.hasLegacy) return;
    const other = headers.get('x-ratelimit-remaining');
    if (other !== undefined && Number(other) <= remaining) return;
    headers.set('X-RateLimit-Limit', this.quota);
    headers.set('X-RateLimit-Remaining', String(remaining));
    headers.set('X-RateLimit-Reset', String(reset));
  }
}
