// error-pages: shows custom pages for errors, in the format that a client accepts.
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { ErrorPages, textOf } from './error-page.ts';

const statusKey = /^(?:[45]\d\d|[45]xx)$/;
const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?: *; *[\w-]+=[\w-]+)?$/;

const source = z.union([
  z.string().max(65_536),
  z.strictObject({ file: z.string().min(1).describe('A file, read when the config is.') }),
]);

/** The names of instances, in any scope. */
const ownName = /\berror-pages(?:#|$)/;

/** Texts by media types, files read. */
const page = z.record(z.string(), source).transform((given, context) => {
  const texts: Record<string, string> = {};
  const refuse = (path: string[], message: string): void =>
    void context.addIssue({ code: 'custom', path, message });
  if (Object.keys(given).length === 0) refuse([], 'is empty: add a media type such as "text/html"');
  for (const [type, from] of Object.entries(given)) {
    if (!mediaType.test(type)) refuse([type], 'is not a media type such as "text/html"');
    try {
      texts[type] = textOf(from);
    } catch (thrown) {
      refuse([type], describeError(thrown));
    }
  }
  return texts;
});

const options = z
  .strictObject({
    pages: z
      .record(z.string(), page)
      .superRefine((pages, context) => {
        if (Object.keys(pages).length === 0)
          context.addIssue({ code: 'custom', message: 'is empty: add a status such as "5xx"' });
        for (const key of Object.keys(pages)) {
          if (!statusKey.test(key))
            context.addIssue({
              code: 'custom',
              path: [key],
              message: 'is not a status such as "404" or "5xx"',
            });
        }
      })
      .describe('Pages by status (`404`, `5xx`) and media type: a text, or `{ file: PATH }`.'),
    ofServers: z
      .boolean()
      .default(false)
      .describe(
        'Whether to replace error responses of servers, too. Otherwise only those of Weldr and its plugins are replaced.',
      ),
  })
  .describe('Shows your own pages for errors.');

/** The options of `errorPages`, as written in a config. */
export type ErrorPagesOptions = z.input<typeof options>;

/** Shows custom pages for errors: `errorPages({ pages: { '5xx': { 'text/html': { file: 'sorry.html' } } } })`. */
export const errorPages = definePlugin({
  name: 'error-pages',
  schema: options,
  worker({ hooks }, { pages, ofServers }) {
    const errors = new ErrorPages(pages);
    if (ofServers) {
      hooks.postProxy.tap('error-pages', ctx =>
        ctx.response?.source === 'upstream' ? errors.insteadOf(ctx) : undefined,
      );
    }
    hooks.respond.tap('error-pages', ctx => {
      const { response } = ctx;
      if (response === undefined || (response.source === 'upstream' && !ofServers)) return undefined;
      errors.vary(ctx);
      // Keeps a page that is already set: in postProxy, or by an inner instance.
      const isPage = response.source === 'upstream' || ownName.test(response.plugin ?? '');
      return isPage ? undefined : errors.insteadOf(ctx);
    });
  },
});
