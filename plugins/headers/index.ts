// headers: sets, adds and removes fields of requests and responses, with a preset of security fields.
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { deleteField } from '../../core/request/field-aliases.ts';
import type { HeaderList } from '../../core/request/headers.ts';
import { options, type RequestEdits, type ResponseEdits } from './options.ts';
import { SecureFields } from './secure-fields.ts';

export type { HeadersOptions } from './options.ts';

/**
 * Edits fields: `headers({ response: { remove: ['Server'] }, secure: true })`. `secure` adds the fields by which browsers
 * protect their users to all responses, errors and refusals included.
 */
export const headers = definePlugin({
  name: 'headers',
  schema: options,
  worker({ hooks }, { request, response, secure }) {
    if (request !== undefined) {
      hooks.request.tap('headers', ctx => {
        editRequest(ctx.outgoing.headers, request);
        return undefined;
      });
    }
    if (response === undefined && secure === false) return;
    const fields = secure === false ? undefined : new SecureFields(secure);
    hooks.respond.tap('headers', ctx => {
      const list = ctx.response?.headers;
      if (list === undefined) return;
      if (response !== undefined) editResponse(list, response);
      fields?.apply(list, ctx.scheme);
    });
  },
});

function editRequest(list: HeaderList, { set, add, remove }: RequestEdits): void {
  for (const name of remove) deleteField(list, name);
  for (const [name, value] of Object.entries(set)) {
    if (name.toLowerCase() !== 'host') deleteField(list, name);
    list.set(name, value);
  }
  for (const [name, value] of Object.entries(add)) list.append(name, value);
}

function editResponse(list: HeaderList, { set, add, remove }: ResponseEdits): void {
  for (const name of remove) list.delete(name);
  for (const [name, value] of Object.entries(set)) list.set(name, value);
  for (const [name, value] of Object.entries(add)) {
    for (const line of typeof value === 'string' ? [value] : value) list.append(name, line);
  }
}
