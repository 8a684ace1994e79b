// ChallengeAnswers: a worker's answers to an authority that checks control of a name (RFC 8555 section 8.3).
import type { ProxyContext } from '../../core/request/context.ts';
import { type Reply, reply } from '../../core/request/reply.ts';

const prefix = '/.well-known/acme-challenge/';

/** The answers of one worker, by request target. */
export class ChallengeAnswers {
  private readonly replies = new Map<string, Reply>();

  /** Sets the answers, by token; all others are dropped. */
  set(answers: Readonly<Record<string, string>>): void {
    this.replies.clear();
    for (const [token, text] of Object.entries(answers)) {
      this.replies.set(prefix + token, reply(200, text, { 'Content-Type': 'application/octet-stream' }));
    }
  }

  /** Returns the answer to a request for one of these targets; undefined for any other request. */
  for(ctx: ProxyContext): Reply | undefined {
    // The usual case: challenges are pending for a few seconds every few months.
    if (this.replies.size === 0) return undefined;
    const { method, target } = ctx.request;
    return method === 'GET' || method === 'HEAD' ? this.replies.get(target) : undefined;
  }
}
