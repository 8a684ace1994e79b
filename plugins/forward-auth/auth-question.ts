// AuthQuestion: the fields that describe a request to an auth server.
import type { OutgoingHttpHeaders } from 'node:http';
import { hasAddress } from '../../core/network/client-address.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { RequestFacts } from '../../core/request/request-facts.ts';

/**
 * Fields that are never passed on: those about a body, which is not sent; those that would make the response depend on a
 * cache, or have it encoded; and those that identify the client, which Weldr writes itself.
 */
const notAsked =
  /^(?:host|via|expect|upgrade|range|if-.*|content-.*|accept-encoding|trailer|te|connection|keep-alive|transfer-encoding|proxy-.*|max-forwards|forwarded|x[._-]forwarded[._-].*|x[._-]real[._-]ip|x[._-]original[._-].*)$/;

/** Which of a client's fields are passed on. */
export class PassedFields {
  private readonly names: ReadonlySet<string> | undefined;

  /** @param names `*`: all that may be passed on */
  constructor(names: '*' | readonly string[]) {
    this.names = names === '*' ? undefined : new Set(names.map(name => name.toLowerCase()));
  }

  has(key: string): boolean {
    return !notAsked.test(key) && (this.names === undefined || this.names.has(key));
  }
}

/** Returns the fields of the question, with those that `passed` allows. */
export function questionOf(ctx: ProxyContext, passed: PassedFields): OutgoingHttpHeaders {
  // A client may choose any name, even `__proto__`.
  const fields: Record<string, string[]> = Object.create(null);
  for (const [name, value] of ctx.request.headers) {
    const key = name.toLowerCase();
    if (!passed.has(key)) continue;
    fields[key] = [...(fields[key] ?? []), value];
  }
  const { method, host } = ctx.request;
  return {
    ...fields,
    'x-forwarded-method': method,
    'x-forwarded-proto': ctx.scheme,
    ...(host !== '' && { 'x-forwarded-host': host }),
    'x-forwarded-uri': normalTarget(ctx),
    ...(hasAddress(ctx.clientIp) && { 'x-forwarded-for': ctx.clientIp }),
  };
}

/** The path in normal form, so that the auth server need not know all spellings of it, and the query as sent. */
function normalTarget(ctx: ProxyContext): string {
  const { path } = RequestFacts.of(ctx);
  const at = path.text.indexOf('?');
  return at < 0 ? path.normal : path.normal + path.text.slice(at);
}

/** Returns whether the auth server and another server could read the path differently. */
export function isAmbiguous(ctx: ProxyContext): boolean {
  const { path } = RequestFacts.of(ctx);
  return path.plainEnd < 0 && (path.problem !== undefined || path.readings.length > 1);
}
