// compress: compresses responses for clients that accept it, if it is worth the CPU.
import { z } from 'zod';
import { size } from '../../core/options/duration.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { HeaderList } from '../../core/request/headers.ts';
import { varyBy } from '../../core/request/vary.ts';
import { type Coding, CodingChoice, codings } from './coding.ts';
import { Compressor } from './compressor.ts';
import { isWorth, MediaTypes } from './worth.ts';

const level = (least: number, most: number) => z.number().int().min(least).max(most);

const options = z
  .strictObject({
    encodings: z
      .array(z.enum(codings))
      .min(1)
      .max(codings.length)
      .default(['zstd', 'br', 'gzip'])
      .describe('The codings on offer; of those that a client weighs equally, the first is used.'),
    types: z
      .array(z.string().regex(/^[\w!#$&^.+*-]+\/[\w!#$&^.+*-]+$/, 'expected a media type such as "text/*"'))
      .min(1)
      .max(100)
      .default([
        'text/*',
        'application/json',
        'application/*+json',
        'application/x-ndjson',
        'application/javascript',
        'application/xml',
        'application/*+xml',
        'application/wasm',
        'image/svg+xml',
        'font/ttf',
        'font/otf',
      ])
      .describe('Media types that are compressed; `*` matches any part of one.'),
    minBytes: size().prefault('1kb').describe('Smaller bodies stay as they are.'),
    level: z
      .strictObject({
        zstd: level(1, 19).default(3).describe('1 to 19.'),
        br: level(0, 11).default(4).describe('0 to 11; levels above 5 suit files, not responses.'),
        gzip: level(1, 9).default(6).describe('1 to 9.'),
      })
      .prefault({})
      .describe('The compression level of each: higher levels make smaller bodies for more CPU.'),
    streams: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(500)
      .describe('Responses compressed at the same time in each worker; further ones stay as they are.'),
  })
  .describe('Compresses responses for clients that accept it.');

/** The options of `compress`, as written in a config. */
export type CompressOptions = z.input<typeof options>;

/**
 * Compresses responses: `compress()`. Put it after plugins that change bodies: in `postProxy` the plugins of the config come
 * last.
 */
export const compress = definePlugin({
  name: 'compress',
  schema: options,
  worker({ hooks }, { encodings, types, minBytes, level: levels, streams }) {
    const choice = new CodingChoice(encodings);
    const mediaTypes = new MediaTypes(types);
    const compressor = new Compressor(levels);
    hooks.postProxy.tap('compress', ctx => {
      const { request, response } = ctx;
      if (response?.status === 304) alignNotModified(ctx, response.headers);
      if (response === undefined || !isWorth(ctx, mediaTypes, minBytes)) return undefined;
      const { headers } = response;
      // Even if this client accepts no coding: a cache in front must not give its copy to others.
      varyBy(headers, 'Accept-Encoding');
      const coding = choice.for(request.headers.getAll('accept-encoding').join());
      if (coding !== undefined && compressor.streams < streams) encode(ctx, headers, coding, compressor);
      return undefined;
    });
  },
});

function encode(ctx: ProxyContext, headers: HeaderList, coding: Coding, compressor: Compressor): void {
  headers.set('Content-Encoding', coding);
  // Ranges do not apply to a body that is compressed for each response.
  headers.delete('Accept-Ranges');
  weakenTag(headers);
  const length = ctx.response?.bodyLength ?? -1;
  // A body without a length may arrive piece by piece, as events do, and must leave that way.
  ctx.transformResponse(() => compressor.start(coding, length, length < 0));
}

/** The bytes differ, but their meaning is the same (RFC 9110 section 8.8.1). */
function weakenTag(headers: HeaderList): void {
  const tag = headers.get('etag');
  if (tag?.startsWith('"')) headers.set('ETag', `W/${tag}`);
}

/** A 304 is about the client's copy, and must have the same fields as its 200 (RFC 9110 section 15.4.5). */
function alignNotModified({ request }: ProxyContext, headers: HeaderList): void {
  varyBy(headers, 'Accept-Encoding');
  const tag = headers.get('etag');
  if (tag !== undefined && request.headers.getAll('if-none-match').join().includes(`W/${tag}`))
    weakenTag(headers);
}
