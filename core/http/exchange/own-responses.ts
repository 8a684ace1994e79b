// Own responses: what Weldr itself says to a client beside its errors, and what it logs of a request that failed.
import type { Logger } from 'pino';
import type { WeldrError } from '../../errors.ts';
import { pluginErrorFacts } from '../../plugin/report-plugin-error.ts';
import { type Reply, reply } from '../../request/reply.ts';
import type { RequestState } from '../../request/request-state.ts';

/** To an OPTIONS request that may go no further (RFC 9110 section 7.6.2). */
export function optionsReply(): Reply {
  return reply(200, '', { Allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' });
}

/** To a TRACE request that may go no further; `echo`: the request as `message/http`. */
export function traceReply(echo: string): Reply {
  return reply(200, echo, { 'Content-Type': 'message/http' });
}

/** Says in the log why a request which entered the stages was not served, as loud as the error is. */
export function logFailure(log: Logger, state: RequestState, error: WeldrError): void {
  const facts = {
    requestId: state.id,
    status: error.status,
    code: error.code,
    method: state.method,
    target: state.target,
    client: state.clientIp,
    upstream: state.tried.at(-1)?.id,
  };
  if (error.level === 'error') log.error({ ...facts, ...pluginErrorFacts(error) }, error.message);
  else if (error.level === 'warn') log.warn(facts, causeOf(error));
  else log.info(facts, error.message);
}

/** The same for one that was refused before the stages. */
export function logRefusal(log: Logger, { id, clientIp }: RequestState, error: WeldrError): void {
  const facts = { requestId: id, status: error.status, code: error.code, client: clientIp };
  log.info(facts, `refused a request: ${error.message}`);
}

/** Says at `debug` what became of an attempt that brought the client nothing: a retry may hide it. */
export function logAttempt(log: Logger, state: RequestState, outcome: string, error?: WeldrError): void {
  if (!log.isLevelEnabled('debug')) return;
  const { id: requestId, tried, method, target, clientIp: client } = state;
  const upstream = tried.at(-1)?.id;
  const facts = { requestId, attempt: tried.length, upstream, code: error?.code, method, target, client };
  const why = error === undefined ? '' : `: ${causeOf(error)}`;
  log.debug(facts, `attempt ${tried.length} on ${upstream} ${outcome}${why}`);
}

function causeOf({ message, cause }: WeldrError): string {
  try {
    return cause instanceof Error ? `${message}: ${cause.message}` : message;
  } catch {
    // Plugins get hold of causes, which are not Weldr's own, and one has made something of it that cannot be shown.
    return message;
  }
}
