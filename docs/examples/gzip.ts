// An example plugin that compresses responses on their way to the client, as a body transform. Bodies that arrive piece
// by piece, such as server-sent events, leave piece by piece.
import { constants, createGzip } from 'node:zlib';
import { definePlugin, type ProxyContext, size } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** Prefixes of media types. */
  types: z
    .array(z.string())
    .default(['text/', 'application/json', 'application/javascript', 'image/svg+xml']),
  /** Smaller bodies are not compressed. */
  minimum: size().default(1024),
  level: z.number().int().min(1).max(9).default(6),
});

export const gzip = definePlugin({
  name: 'gzip',
  schema: options,
  worker({ hooks }, { types, minimum, level }) {
    hooks.postProxy.tap('gzip', ctx => {
      const { request, response } = ctx;
      if (response === undefined || !isCompressible(ctx)) return undefined;
      const { headers } = response;
      if (!/\*|\baccept-encoding\b/i.test(listOf(headers.getAll('vary'))))
        headers.append('Vary', 'Accept-Encoding');
      if (!acceptsGzip(listOf(request.headers.getAll('accept-encoding')))) return undefined;
      headers.set('Content-Encoding', 'gzip');
      headers.delete('Accept-Ranges');
      // The bytes differ now but mean the same (RFC 9110 section 8.8.1).
      const tag = headers.get('etag');
      if (tag?.startsWith('"')) headers.set('ETag', `W/${tag}`);
      ctx.transformResponse(() => createGzip({ level, flush: constants.Z_SYNC_FLUSH }));
      return undefined;
    });

    function isCompressible({ request, response }: ProxyContext): boolean {
      const { status = 0, bodyLength = 0, headers } = response ?? {};
      if (status < 200 || status === 204 || status === 206 || status === 304) return false;
      if (headers === undefined || (bodyLength >= 0 && bodyLength < minimum)) return false;
      const wishes = [...request.headers.getAll('cache-control'), ...headers.getAll('cache-control')];
      if (headers.has('content-encoding') || /\bno-transform\b/i.test(listOf(wishes))) return false;
      const type = headers.get('content-type')?.toLowerCase() ?? '';
      return types.some(beginning => type.startsWith(beginning));
    }
  },
});

const listOf = (values: readonly string[]): string => values.join(',');

/** Returns whether a field names gzip, or `*`, with a weight above 0 (RFC 9110 section 12.5.3). */
function acceptsGzip(field: string): boolean {
  let others = false;
  for (const part of field.toLowerCase().split(',')) {
    const [coding, ...parameters] = part.split(';').map(text => text.trim());
    const isWanted = !parameters.some(parameter => /^q=0(\.0*)?$/.test(parameter));
    if (coding === 'gzip' || coding === 'x-gzip') return isWanted;
    if (coding === '*') others = isWanted;
  }
  return others;
}
