// An example plugin that puts a piece of HTML, such as a banner or a script, into each page, as a body transform. Encoded
// pages are not changed; to compress pages, put a plugin such as gzip after this one.
import { Duplex } from 'node:stream';
import { definePlugin } from 'weldr';
import { z } from 'zod';

const ascii = /^[ -~\t\r\n]*$/;

const options = z.strictObject({
  /** The piece; beyond ASCII it would need the page's charset. */
  html: z.string().regex(ascii),
  /** The text before whose first occurrence it goes, in upper or lower case. */
  before: z.string().min(1).regex(ascii).default('</head>'),
});

export const htmlInjection = definePlugin({
  name: 'html-injection',
  schema: options,
  worker({ hooks }, { html, before }) {
    hooks.postProxy.tap('html-injection', ctx => {
      const { headers, status, bodyLength } = ctx.response ?? {};
      if (headers === undefined || status === 206 || status === 304 || bodyLength === 0) return undefined;
      if (!/^text\/html *(;|$)/i.test(headers.get('content-type') ?? '')) return undefined;
      if (headers.has('content-encoding') || /\bno-transform\b/i.test(headers.getAll('cache-control').join()))
        return undefined;
      headers.delete('Accept-Ranges');
      const tag = headers.get('etag');
      if (tag?.startsWith('"')) headers.set('ETag', `W/${tag}`);
      ctx.transformResponse(() =>
        Duplex.from((page: AsyncIterable<Buffer>) => withPiece(page, html, before.toLowerCase())),
      );
      return undefined;
    });
  },
});

/** Yields the page with `html` in it. Holds back only what could be the beginning of `before`. */
async function* withPiece(page: AsyncIterable<Buffer>, html: string, before: string): AsyncGenerator<Buffer> {
  let kept = '';
  let found = false;
  for await (const chunk of page) {
    if (found) {
      yield chunk;
      continue;
    }
    // As latin1 each byte is one character, whatever the charset.
    const text = kept + chunk.toString('latin1');
    const at = text.toLowerCase().indexOf(before);
    found = at >= 0;
    const end = found ? text.length : Math.max(0, text.length - before.length + 1);
    kept = text.slice(end);
    yield Buffer.from(found ? text.slice(0, at) + html + text.slice(at) : text.slice(0, end), 'latin1');
  }
  yield Buffer.from(kept, 'latin1');
}
