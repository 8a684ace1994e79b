// Keeps HTTP/1.1 text within core/http/h1, so nothing else in core/http depends on how a message is
// written. The search is first tried on code that it must find, then used on the sources.
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { suite } from '../../support/suite.ts';

const test = suite('protocol text');

const folder = fileURLToPath(new URL('../../../core/http/', import.meta.url));

/** Returns whether a source contains HTTP/1.1 text outside its comments: the version, or the end of a line. */
function holdsProtocolText(source: string): boolean {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
  return /HTTP\/1\.|\\r\\n|\\x0d\\x0a/.test(code);
}

/** The lines of the PROXY protocol, version 1, end like those of HTTP/1.1. */
const isOfOtherProtocol = (path: string): boolean =>
  /^(?:accept|upstream)\/proxy-(?:format|header)\.ts$/.test(path);

test('it is found in code but not in comments', () => {
  for (const code of [
    "socket.write('HTTP/1.1 200 OK');",
    'const line = `name: value\\r\\n`;',
    "const head = lines.join('\\r\\n');",
  ]) {
    assert.ok(holdsProtocolText(code), `it does not find: ${code}`);
  }
  assert.not.ok(
    holdsProtocolText("// HTTP/1.1 ends lines with \\r\\n\n/** HTTP/1.1 */\nconst url = 'http://a';"),
  );
});

test('it is only in core/http/h1', () => {
  const holding = globSync('**/*.ts', { cwd: folder }).filter(path =>
    holdsProtocolText(readFileSync(`${folder}${path}`, 'utf8')),
  );
  assert.equal(
    holding.filter(path => !path.startsWith('h1/') && !isOfOtherProtocol(path)),
    [],
  );
  assert.ok(holding.includes('h1/head-writer.ts'));
});
