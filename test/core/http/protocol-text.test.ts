// Holds the text of HTTP/1.1 in core/http/h1 alone, so that nothing else in core/http depends on how a message is
// written. The search is tried on code which it has to find before it is put to the sources.
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { suite } from '../../support/suite.ts';

const test = suite('protocol text');

const folder = fileURLToPath(new URL('../../../core/http/', import.meta.url));

/** Does a source hold text of HTTP/1.1 outside its comments: its version, or the end of a line? */
function holdsProtocolText(source: string): boolean {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
  return /HTTP\/1\.|\\r\\n|\\x0d\\x0a/.test(code);
}

/** The lines of the PROXY protocol, version 1, end as those of HTTP/1.1 do. */
const isOfOtherProtocol = (path: string): boolean =>
  /^(?:accept|upstream)\/proxy-(?:format|header)\.ts$/.test(path);

test('it is found in code, and not in comments', () => {
  for (const code of [
    "socket.write('HTTP/1.1 200 OK');",
    'const line = `name: value\\r\\n`;',
    "const head = lines.join('\\r\\n');",
  ]) {
    assert.ok(holdsProtocolText(code), `it lets pass: ${code}`);
  }
  assert.not.ok(
    holdsProtocolText("// HTTP/1.1 ends lines with \\r\\n\n/** HTTP/1.1 */\nconst url = 'http://a';"),
  );
});

test('it is in core/http/h1 alone', () => {
  const holding = globSync('**/*.ts', { cwd: folder }).filter(path =>
    holdsProtocolText(readFileSync(`${folder}${path}`, 'utf8')),
  );
  assert.equal(
    holding.filter(path => !path.startsWith('h1/') && !isOfOtherProtocol(path)),
    [],
  );
  assert.ok(holding.includes('h1/head-writer.ts'));
});
