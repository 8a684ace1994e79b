// Own responses: the replies that Weldr itself makes besides errors, and what it logs about failed requests.
import type { Logger } from 'pino';
import type { WeldrError } from '../../errors.ts';
import { pluginErrorFacts } from '../../plugin/report-plugin-error.ts';
import { type Reply, reply } from '../../request/reply.ts';
import type { RequestState } from '../../request/request-state.ts';

/** The reply to an OPTIONS request that must not be forwarded (RFC 9110 section 7.6.2). */
export function optionsReply(): Reply {
  return reply(200, '', { Allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' });
}

/** The reply to a TRACE request that must not be forwarded; `echo`: the request as `message/http`. */
export function traceReply(echo: string): Reply {
  return reply(200, echo, { 'Content-Type': 'message/http' });
}

/** Logs why a request that entered the stages was not served, at the level of the error. */
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

/** Logs why a request was refused before the stages. */
export function logRefusal(log: Logger, state: RequestState, error: WeldrError): void {
  const facts = {
    requestId: state.id,
    status: error.status,
    code: error.code,
    client: state.clientIp,
    listener: state.connection.listener,
  };
  log.info(facts, `refused a request: ${error.message}`);
}

/** Logs at `debug` the outcome of an attempt whose response the client did not get: a retry may hide it. */
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
    // A plugin, which can access causes, has changed this one into something that cannot be shown.
    return message;
  }
}
