// Own responses: what Weldr itself says to a client, and what it logs of a request that failed.
import type { Logger } from 'pino';
import type { WeldrError } from '../../errors.ts';
import { type ProxyContext, type Reply, reply } from '../../request/context.ts';

/** The reply that an error's status and title make. */
export function errorReply(error: WeldrError): Reply {
  const answer = reply(error.status, `${error.status} ${error.title}\n`);
  if (error.status === 503) answer.headers.push('Retry-After', 'retry-after', '5');
  return answer;
}

/** To an OPTIONS request that may go no further (RFC 9110 section 7.6.2). */
export function optionsReply(): Reply {
  return reply(200, '', { Allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' });
}

/** To a TRACE request that may go no further; `echo`: the request as `message/http`. */
export function traceReply(echo: string): Reply {
  return reply(200, echo, { 'Content-Type': 'message/http' });
}

/** Says in the log why a request which entered the stages was not served, as loud as whose fault it is. */
export function logFailure(log: Logger, ctx: ProxyContext, error: WeldrError): void {
  const facts = {
    status: error.status,
    code: error.code,
    method: ctx.method,
    target: ctx.target,
    client: ctx.clientIp,
    upstream: ctx.upstream?.id,
  };
  if (error.blame === 'client') log.info(facts, error.message);
  else if (error.code === 'PLUGIN_FAILED' || error.code === 'INTERNAL')
    log.error({ ...facts, err: error }, error.message);
  else log.warn(facts, causeOf(error));
}

/** The same for one that was refused before the stages. */
export function logRefusal(log: Logger, client: string, error: WeldrError): void {
  log.info({ status: error.status, code: error.code, client }, `refused a request: ${error.message}`);
}

function causeOf(error: WeldrError): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
