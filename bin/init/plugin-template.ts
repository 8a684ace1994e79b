// The first plugin of a new project, and its test.

/** The text of `plugins/hide-dotfiles.ts`. */
export const pluginText = `// A filter: requests for hidden files, such as /.env and /.git/config, get 404 and reach no server.
import { compileMatcher, definePlugin, RequestFacts, reply } from ${quoted('weldr')};

export const hideDotfiles = definePlugin({
  name: 'hide-dotfiles',
  worker({ hooks }) {
    // Paths are compared in their normal form: /%2Eenv is /.env here.
    const isHidden = compileMatcher({ path: /\\/\\.(?!well-known\\/)/ }, 'hide-dotfiles');
    const notFound = reply(404, 'not found\\n', { 'Content-Type': 'text/plain' });
    hooks.request.tap('hide-dotfiles', ctx => (isHidden(RequestFacts.of(ctx)) ? notFound : undefined));
  },
});
`;

/** The text of `plugins/hide-dotfiles.test.ts`. */
export const pluginTestText = `// Runs the plugin with Weldr's own stages and pools, without sockets.
${imports().join('\n')}
import { workerSide } from ${quoted('weldr/testing')};
import { hideDotfiles } from ${quoted('./hide-dotfiles.ts')};

test('a request for a hidden file reaches no server', async () => {
  const side = await workerSide(hideDotfiles(), { upstreams: ['http://a'] });
  for (const target of ['/.env', '/%2Eenv', '/shop/.git/config?raw']) {
    const { status, sent } = await side.run({ target });
    assert.deepEqual([status, sent.length], [404, 0], target);
  }
  await side.close();
});

test('other requests, and /.well-known/, pass', async () => {
  const side = await workerSide(hideDotfiles(), { upstreams: ['http://a'] });
  for (const target of ['/', '/app.v2.js', '/.well-known/security.txt']) {
    const { status, upstream } = await side.run({ target });
    assert.deepEqual([status, upstream?.id], [200, 'http://a'], target);
  }
  await side.close();
});
`;

/** The imports, not at the start of a line: the build takes such a line for an import of Weldr itself. */
function imports(): readonly string[] {
  return ["import assert from 'node:assert/strict';", "import { test } from 'node:test';"];
}

/** Quotes a text for a module. */
function quoted(text: string): string {
  return `'${text}'`;
}
