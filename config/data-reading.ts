// Data reading: parses a config in JSON or YAML, and explains why one cannot be parsed.
import { extname } from 'node:path';
import { describeError, WeldrError } from '../core/errors.ts';
import { jsonFaultAt } from '../core/options/json-fault.ts';
import { type Place, placeAt, withExcerpt } from './excerpt.ts';

/** Parses the text of a .json, .yaml or .yml file. Throws CONFIG_INVALID, which names `file`, line and column. */
export async function parseData(file: string, text: string): Promise<unknown> {
  const { defaultLoaders } = await import('cosmiconfig');
  const loadYaml = (): unknown => defaultLoaders['.yaml'](file, text);
  try {
    if (extname(file) !== '.json') return loadYaml();
    const data = parseJson(file, text.replace(/^\uFEFF/, ''));
    // JSON silently takes the last of two equal keys. All JSON is YAML, which refuses them.
    refuseDoubleKeys(loadYaml);
    return data;
  } catch (thrown) {
    if (thrown instanceof WeldrError) throw thrown;
    throw unreadable(yamlText(file, text, thrown));
  }
}

function refuseDoubleKeys(loadYaml: () => unknown): void {
  try {
    loadYaml();
  } catch (thrown) {
    if (reasonOf(thrown) === doubleKey) throw thrown;
  }
}

// --- YAML ------------------------------------------------------------------------------------------------------

const doubleKey = 'duplicated mapping key';

/** Remedies for messages of js-yaml that do not say what to do. */
const yamlRemedies: Readonly<Record<string, string>> = {
  [doubleKey]: 'this key occurs twice; take one of them out',
  'tab characters must not be used in indentation': 'YAML is indented with spaces; replace the tab',
  'bad indentation of a mapping entry': 'this is indented wrongly, or its text needs quotes',
  'deficient indentation':
    'this is not indented as far as it should be, or a [, { or quote before it is not closed',
  'end of the stream or a document separator is expected':
    'this is indented differently from the lines before it',
  'expected a single document in the stream, but found more':
    'expected one document; take out what comes after ---',
};

function yamlText(file: string, text: string, thrown: unknown): string {
  if (text.replaceAll(/#.*$/gm, '').trim() === '') return `${file} is empty; ${expectedFields}`;
  const reason = reasonOf(thrown) ?? describeError(thrown);
  const place = yamlPlace(file, text, thrown);
  const message = yamlRemedies[reason] ?? reason;
  return place === undefined ? `${file}: ${message}` : withExcerpt(place, message);
}

/** The remedy for an empty file. */
const expectedFields = 'a config has at least `plugins`, such as plugins: [roundRobin]';

/** The message of a YAMLException without its place. */
function reasonOf(thrown: unknown): string | undefined {
  const reason: unknown = thrown instanceof Error ? Reflect.get(thrown, 'reason') : undefined;
  return typeof reason === 'string' ? reason : undefined;
}

function yamlPlace(file: string, text: string, thrown: unknown): Place | undefined {
  const mark: unknown = thrown instanceof Error ? Reflect.get(thrown, 'mark') : undefined;
  if (typeof mark !== 'object' || mark === null) return undefined;
  const position: unknown = Reflect.get(mark, 'position');
  return typeof position === 'number' ? placeAt(file, text, Math.min(position, text.length)) : undefined;
}

// --- JSON ------------------------------------------------------------------------------------------------------

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    if (text.trim() === '') throw unreadable(`${file} is empty; ${expectedJson}`);
    const index = jsonFaultAt(text);
    throw unreadable(withExcerpt(placeAt(file, text, index), jsonText(text, index, thrown)));
  }
}

const expectedJson = 'a config has at least "plugins", such as {"plugins": ["roundRobin"]}';

function jsonText(text: string, index: number, thrown: unknown): string {
  const rest = text.slice(index);
  const before = text.slice(0, index).trimEnd();
  if (/^\/[/*]/.test(rest)) return 'JSON has no comments; take this out, or write the config as .yaml or .ts';
  if (/^[\]}]/.test(rest) && before.endsWith(',')) {
    return `JSON has no comma before ${rest[0]}; take it out`;
  }
  if (rest.startsWith("'")) return 'JSON needs double quotes around texts and keys';
  if (rest === '') return 'the file ends too early; a ], a } or a " is missing';
  return describeError(thrown)
    .replace(/( in JSON| after JSON) at position .*$/s, '')
    .replace(/, (\.\.\.)?".*" is not valid JSON$/s, '');
}

function unreadable(message: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', message);
}
