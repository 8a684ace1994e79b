// Worth: which responses are compressed, for any client.
import type { ProxyContext } from '../../core/request/context.ts';
import type { HeaderList } from '../../core/request/headers.ts';

/** Fields that describe the exact bytes; changing one would invalidate a signature over it. */
const ofTheBytes = [
  'content-encoding',
  'content-range',
  'content-digest',
  'repr-digest',
  'digest',
  'content-md5',
];
const noTransform = /(?:^|[\s,])no-transform(?:$|[\s,])/i;

/** Returns whether a message forbids changes to its body (RFC 9111 sections 5.2.1.6 and 5.2.2.6). */
export function forbidsTransforms(headers: HeaderList): boolean {
  return headers.getAll('cache-control').some(value => noTransform.test(value));
}

/** A set of media types; `*` matches any part of one. */
export class MediaTypes {
  private readonly pattern: RegExp;
  private readonly kept = new Map<string, boolean>();

  constructor(types: readonly string[]) {
    const sources = types.map(type =>
      type.toLowerCase().replace(/[.+]/g, '\\$&').replaceAll('*', '[^;\\s]*'),
    );
    this.pattern = new RegExp(`^\\s*(?:${sources.join('|')})\\s*(?:;|$)`);
  }

  has(contentType: string): boolean {
    let known = this.kept.get(contentType);
    if (known === undefined) {
      known = this.pattern.test(contentType.toLowerCase());
      if (this.kept.size < 256 && contentType.length <= 128) this.kept.set(contentType, known);
    }
    return known;
  }
}

/** Returns whether the response is worth compressing for clients that accept it. */
export function isWorth({ request, response }: ProxyContext, types: MediaTypes, minBytes: number): boolean {
  if (response === undefined) return false;
  const { status, headers, bodyLength } = response;
  if (status < 200 || status === 204 || status === 205 || status === 206 || status === 304) return false;
  if (bodyLength >= 0 && bodyLength < minBytes) return false;
  const type = headers.get('content-type');
  if (type === undefined || !types.has(type)) return false;
  if (ofTheBytes.some(name => headers.has(name))) return false;
  return !forbidsTransforms(headers) && !forbidsTransforms(request.headers);
}
