// SecureFields: the response fields by which browsers protect their users.
import type { HeaderList } from '../../core/request/headers.ts';
import { hstsValue } from '../../core/request/hsts.ts';
import type { SecurePreset } from './options.ts';

const policyName = 'Content-Security-Policy';
const framing = /(?:^|[;,])\s*frame-ancestors(?:\s|;|,|$)/i;

/** The fields of a preset, built once. */
export class SecureFields {
  private readonly fields: readonly (readonly [name: string, value: string])[];
  private readonly policy: string | undefined;
  private readonly frames: SecurePreset['frames'];
  private readonly hsts: string | undefined;
  private readonly override: boolean;

  constructor(preset: SecurePreset) {
    const { noSniff, referrerPolicy, permissionsPolicy, openerPolicy, resourcePolicy } = preset;
    const wanted: readonly (readonly [string, string | false])[] = [
      ['X-Content-Type-Options', noSniff && 'nosniff'],
      ['Referrer-Policy', referrerPolicy],
      ['Permissions-Policy', permissionsPolicy],
      ['Cross-Origin-Opener-Policy', openerPolicy],
      ['Cross-Origin-Resource-Policy', resourcePolicy],
    ];
    this.fields = wanted.flatMap(([name, value]) => (value === false ? [] : [[name, value] as const]));
    this.policy = preset.contentSecurityPolicy;
    this.frames = preset.frames;
    this.hsts = preset.hsts === false ? undefined : hstsValue(preset.hsts);
    this.override = preset.override;
  }

  /** Adds them to a response. Its own fields stay, unless the preset overrides them. */
  apply(headers: HeaderList, scheme: 'http' | 'https'): void {
    for (const [name, value] of this.fields) this.put(headers, name, value);
    if (this.policy !== undefined) this.put(headers, policyName, this.policy);
    if (this.frames !== false) this.guardFrames(headers, this.frames);
    // RFC 6797 section 7.2: it must not be sent over http://.
    if (this.hsts !== undefined && scheme === 'https')
      this.put(headers, 'Strict-Transport-Security', this.hsts);
  }

  private put(headers: HeaderList, name: string, value: string): void {
    if (this.override || !headers.has(name)) headers.set(name, value);
  }

  /**
   * Both fields say the same thing, and browsers obey frame-ancestors if both are present (CSP level 3, section 6.4.2.2): a
   * response with either is left alone, unless the preset overrides it. Policies add up, so a separate line changes nothing
   * else in the server's policy.
   */
  private guardFrames(headers: HeaderList, frames: 'deny' | 'sameorigin'): void {
    // A policy of the preset has already replaced the server's.
    if (this.override && this.policy === undefined) removeFraming(headers);
    const isSaid = headers.getAll(policyName).some(policy => framing.test(policy));
    if (!this.override && (isSaid || headers.has('x-frame-options'))) return;
    headers.set('X-Frame-Options', frames === 'deny' ? 'DENY' : 'SAMEORIGIN');
    if (!isSaid) headers.append(policyName, `frame-ancestors ${frames === 'deny' ? "'none'" : "'self'"}`);
  }
}

const framingDirective = /^\s*frame-ancestors(?:\s|$)/i;

/** Removes frame-ancestors from the policies of a response; commas separate policies, semicolons their directives. */
function removeFraming(headers: HeaderList): void {
  const lines = headers.getAll(policyName);
  headers.delete(policyName);
  for (const line of lines) {
    const left = line
      .split(',')
      .map(policy =>
        policy
          .split(';')
          .filter(directive => !framingDirective.test(directive))
          .join(';')
          .trim(),
      )
      .filter(policy => policy !== '');
    if (left.length > 0) headers.append(policyName, left.join(', '));
  }
}
