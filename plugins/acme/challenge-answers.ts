// ChallengeAnswers: what a worker says to an authority that looks whether a name leads here (RFC 8555 section 8.3).
import type { ProxyContext } from '../../core/request/context.ts';
import { type Reply, reply } from '../../core/request/reply.ts';

const prefix = '/.well-known/acme-challenge/';

/** The answers of one worker, by the targets that they are asked for with. */
export class ChallengeAnswers {
  private readonly replies = new Map<string, Reply>();

  /** Answers these, by their tokens, and no others. */
  set(answers: Readonly<Record<string, string>>): void {
    this.replies.clear();
    for (const [token, text] of Object.entries(answers)) {
      this.replies.set(prefix + token, reply(200, text, { 'Content-Type': 'application/octet-stream' }));
    }
  }

  /** What is not exactly one of these is nobody's business here. */
  for(ctx: ProxyContext): Reply | undefined {
    // As it is but for a few seconds in months.
    if (this.replies.size === 0) return undefined;
    const { method, target } = ctx.request;
    return method === 'GET' || method === 'HEAD' ? this.replies.get(target) : undefined;
  }
}
