// Refusals: the replies to requests without a valid token (RFC 6750 section 3).
import { type Reply, reply } from '../../core/request/reply.ts';

/** The replies of one plugin. */
export class Refusals {
  /** 401: there is no token. */
  readonly noToken: Reply;
  /** 400: there are several tokens. */
  readonly several: Reply;
  /** 403: the token lacks required scopes or claims. */
  readonly insufficient: Reply;
  /** 503: the token cannot be checked. */
  readonly unavailable: Reply;
  private readonly realm: string;
  private readonly byReason = new Map<string, Reply>();

  constructor(realm: string | undefined, scopes: readonly string[]) {
    this.realm = realm === undefined ? '' : ` realm="${realm}"`;
    this.noToken = this.answer(401, '401 a token is required\n', '');
    this.several = this.answer(400, '400 there is more than one token\n', 'error="invalid_request"');
    const scope = scopes.length === 0 ? '' : `, scope="${scopes.join(' ')}"`;
    const text = '403 the token does not allow this\n';
    this.insufficient = this.answer(403, text, `error="insufficient_scope"${scope}`);
    this.unavailable = reply(503, '503 tokens cannot be checked now\n', { 'Retry-After': '5' });
  }

  /** Returns a 401 for an invalid token, for one of a few reasons. */
  invalid(reason: string): Reply {
    let known = this.byReason.get(reason);
    if (known === undefined) {
      const error = `error="invalid_token", error_description="${reason}"`;
      known = this.answer(401, `401 ${reason}\n`, error);
      this.byReason.set(reason, known);
    }
    return known;
  }

  private answer(status: number, text: string, parameters: string): Reply {
    const challenge = [this.realm.trim(), parameters].filter(part => part !== '').join(', ');
    return reply(status, text, {
      'WWW-Authenticate': challenge === '' ? 'Bearer' : `Bearer ${challenge}`,
      'Cache-Control': 'no-store',
    });
  }
}
