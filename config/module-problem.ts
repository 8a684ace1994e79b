// Module problem: turns what Node throws for a config that cannot be imported into a sentence with file, line and remedy.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, extname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearest } from '../core/errors/nearest.ts';
import { thrownAnywhere, thrownAt } from '../core/errors/thrown-at.ts';
import { describeError, stackOf, toError, WeldrError } from '../core/errors.ts';
import { withoutMarks } from '../core/log/reading-mark.ts';
import { type Place, placeText, withExcerpt } from './excerpt.ts';
import { modulesRead } from './module-reading.ts';

/** The most files to search for a syntax error whose place Node does not report. */
const mostParsed = 20;
const parseTimeout = 10_000;

/** Returns the CONFIG_INVALID for what the import of the config at `path` threw. */
export async function moduleProblem(path: string, thrown: unknown): Promise<WeldrError> {
  return new WeldrError('CONFIG_INVALID', await textOf(path, thrown), { cause: thrown });
}

async function textOf(path: string, thrown: unknown): Promise<string> {
  const name = (file: string): string => relative(dirname(path), file) || file;
  if (!(thrown instanceof Error)) return `${name(path)}: ${describeError(thrown)}`;
  const missing = missingModule(path, thrown);
  if (missing !== undefined) return `${name(missing.importer)}: ${missing.text}`;
  const place = placeOf(path, thrown);
  const message = (await exportProblem(thrown)) ?? withoutMarks(messageOf(thrown, place?.file ?? path));
  if (place === undefined) {
    // None of the user's own files has the fault.
    const whose = isOfParser(stackOf(thrown) ?? '') ? 'a package that it imports is not JavaScript: ' : '';
    return `${name(path)}: ${whose}${message}`;
  }
  const shown = { ...place, file: name(place.file) };
  if (thrown instanceof SyntaxError) return withExcerpt(shown, syntaxText(shown, message));
  return `${placeText(shown)}: ${message}`;
}

// --- missing modules -------------------------------------------------------------------------------------------

interface Missing {
  /** The importing file. */
  readonly importer: string;
  readonly text: string;
}

/** Explains an import that leads nowhere; undefined when something else was thrown. */
function missingModule(path: string, error: Error): Missing | undefined {
  const code: unknown = Reflect.get(error, 'code');
  const message = withoutMarks(error.message);
  const found = /imported from (.+)$/.exec(message)?.[1];
  const importer = found === undefined ? path : fileOf(found);
  if (code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') {
    const [, part = '', where = ''] =
      /^Package subpath '\.\/(.*?)' is not defined .* in (\S+)/.exec(message) ?? [];
    const owner = /node_modules\/((?:@[^/]+\/)?[^/]+)\/package\.json$/.exec(where)?.[1] ?? where;
    const near = owner === 'weldr' ? nearest(part, ['plugins', 'testing']) : undefined;
    const hint = near === undefined ? '; see "exports" in its package.json' : `; did you mean weldr/${near}?`;
    return { importer, text: `the package ${owner} has nothing named ${owner}/${part}${hint}` };
  }
  if (code === 'ERR_UNSUPPORTED_DIR_IMPORT') {
    const folder = fileOf(/^Directory import '(.+?)'/.exec(message)?.[1] ?? '');
    const shown = fromImporter(importer, folder);
    return { importer, text: `it imports ${shown}, which is a folder${suffixHint(folder, shown)}` };
  }
  if (code !== 'ERR_MODULE_NOT_FOUND') return undefined;
  const wanted = /^Cannot find (?:package|module) '(.+?)'/.exec(message)?.[1] ?? '';
  if (message.startsWith('Cannot find package')) {
    const broken = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(wanted)?.[1];
    const text =
      broken === undefined
        ? `the package ${wanted} is not installed; run npm install ${wanted} in ${dirname(importer)}`
        : `the package ${broken} has nothing to import; is it the right one, and completely installed?`;
    return { importer, text };
  }
  const file = fileOf(wanted);
  const shown = fromImporter(importer, file);
  return { importer, text: `it imports ${shown}, which does not exist${suffixHint(file, shown)}` };
}

function fromImporter(importer: string, file: string): string {
  return `./${relative(dirname(importer), file)}`.replace(/^\.\/\.\.\//, '../');
}

/** Unlike bundlers, Node needs the suffix of an imported file. */
function suffixHint(file: string, shown: string): string {
  const bare = file.slice(0, file.length - extname(file).length);
  for (const suffix of ['.ts', '.mts', '.js', '.mjs', '/index.ts', '/index.js']) {
    if (existsSync(`${file}${suffix}`)) return `; did you mean ${shown}${suffix}?`;
    if (bare !== file && existsSync(`${bare}${suffix}`)) {
      return `; did you mean ${shown.slice(0, shown.length - extname(shown).length)}${suffix}?`;
    }
  }
  return '';
}

function fileOf(text: string): string {
  return text.startsWith('file:') ? fileURLToPath(text) : text;
}

// --- missing names ---------------------------------------------------------------------------------------------

/** Explains a name that a module does not export or that is not imported; undefined when something else was thrown. */
async function exportProblem(error: Error): Promise<string | undefined> {
  const [, module, wanted] =
    /^The requested module '(.+)' does not provide an export named '(.+)'$/.exec(error.message) ?? [];
  if (module !== undefined && wanted !== undefined) {
    return `${module} exports no ${wanted}${hintFor(wanted, module, await ownExports())}`;
  }
  const name =
    error instanceof ReferenceError ? /^(\w+) is not defined$/.exec(error.message)?.[1] : undefined;
  if (name === undefined) return undefined;
  const home = [...(await ownExports())].find(([, names]) => names.includes(name))?.[0];
  return home === undefined ? undefined : `${name} is not imported; add import { ${name} } from '${home}'`;
}

function hintFor(wanted: string, module: string, own: ReadonlyMap<string, readonly string[]>): string {
  const home = [...own].find(([, names]) => names.includes(wanted))?.[0];
  if (home !== undefined) return `; ${home} does`;
  const near = nearest(wanted, own.get(module) ?? []);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** The exports that configs import from Weldr, by module. */
async function ownExports(): Promise<ReadonlyMap<string, readonly string[]>> {
  const namesOf = async (module: string): Promise<[string, string[]]> => [
    module,
    Object.keys(await import(import.meta.resolve(module))),
  ];
  return new Map(await Promise.all(['weldr', 'weldr/plugins'].map(namesOf)));
}

// --- messages and places ---------------------------------------------------------------------------------------

function messageOf(error: Error, file: string): string {
  const message = describeError(error);
  const isTypeScript = /\.m?ts$/.test(file);
  if (/^Cannot access '.+' before initialization$/.test(message)) {
    return `${message}: two files that import each other, or a use before the declaration`;
  }
  const beyondTypes = /^TypeScript (.+) is not supported in strip-only mode$/.exec(message)?.[1];
  if (beyondTypes !== undefined) {
    return `${beyondTypes} is more than a type, and Node only strips types; write it as JavaScript`;
  }
  if (/needs an import attribute of "type: json"$/.test(message)) {
    return `a JSON file is imported without its type; write import … from '….json' with { type: 'json' }`;
  }
  if (/^(module|exports) is not defined/.test(message)) return `${message}; write export default { … }`;
  if (/^require is not defined/.test(message)) return 'there is no require here; write import … from …';
  if (!isTypeScript && message === 'Missing initializer in const declaration') {
    return `${message}; types are for .ts files only`;
  }
  return message;
}

/** Rewords what Node's parsers say about common typing mistakes. */
function syntaxText({ source = '', column = 0 }: Place, message: string): string {
  const quote = /[\u2018\u2019\u201c\u201d]/.exec(source.slice(Math.max(0, column - 1)))?.[0];
  if (quote !== undefined && /lexing error|Invalid or unexpected token/.test(message)) {
    return `${quote} is a typographic quote; write ' or "`;
  }
  if (/^Expected ',', got /.test(message)) return `a comma is missing before this, or a closing ), ] or }`;
  // The parser reports no column for the end of a file.
  if (column === 0 && /^(Expression expected|Expected |Unexpected eof)/.test(message)) {
    return `the file ends too early; a ), ], } or quote is missing (${message})`;
  }
  return message;
}

/** The place in the user's files where it was thrown, if the error has one. */
function placeOf(path: string, error: Error): Place | undefined {
  if (!(error instanceof SyntaxError)) return thrownAt(error) ?? thrownAnywhere(error);
  const stack = withoutMarks(stackOf(error) ?? '');
  return arrowPlace(stack) ?? (isOfParser(stack) ? parsedPlace(path) : thrownAt(error));
}

/** Reads the place from a stack that begins with file and line, then source lines with a mark below. */
function arrowPlace(stack: string): Place | undefined {
  const [, at, line] = /^(\S.*):(\d+)\n/.exec(stack) ?? [];
  if (at === undefined) return undefined;
  const lines = stack.split('\n');
  const arrow = lines.findIndex(text => /^\s*\^+\s*$/.test(text));
  const place = { file: fileOf(at), line: Number(line) };
  if (arrow < 2) return place;
  return { ...place, column: (lines[arrow]?.indexOf('^') ?? 0) + 1, source: lines[arrow - 1] };
}

/** Returns whether a SyntaxError comes from Node's parser and not from code such as JSON.parse. */
function isOfParser(stack: string): boolean {
  return /^\s+at compileSourceTextModule/m.test(stack);
}

/** Finds the place by `node --check`: Node reports it for ES modules on the terminal only. */
function parsedPlace(path: string): Place | undefined {
  const scripts = new Set([path, ...[...modulesRead().keys()].reverse()]);
  for (const file of [...scripts].filter(name => /\.m?js$/.test(name)).slice(0, mostParsed)) {
    const { stderr } = spawnSync(process.execPath, ['--check', file], {
      encoding: 'utf8',
      timeout: parseTimeout,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const place = arrowPlace(stderr);
    if (place !== undefined) return place;
  }
  return undefined;
}

/** Returns the CONFIG_INVALID for an exported promise that was rejected. */
export function rejectedExport(path: string, thrown: unknown): WeldrError {
  const file = relative(dirname(path), path);
  return new WeldrError(
    'CONFIG_INVALID',
    `${file}: the promise that it exports failed: ${describeError(toError(thrown))}`,
    {
      cause: thrown,
    },
  );
}
