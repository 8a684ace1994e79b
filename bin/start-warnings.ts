// Start warnings: likely mistakes around a config, such as misspelt environment variables and a second config file.
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { searchPlaces } from '../config/find.ts';
import { editDistance } from '../core/errors/nearest.ts';

const variables = [
  'WELDR_LISTEN',
  'WELDR_ADMIN_LISTEN',
  'WELDR_ADMIN_TOKEN',
  'WELDR_ADMIN',
  'WELDR_ADMIN_CA',
  'WELDR_ADMIN_CERT',
  'WELDR_ADMIN_KEY',
  'WELDR_WORKERS',
  'WELDR_LOG_LEVEL',
  'WELDR_ZONE',
  'WELDR_MEMBER',
];

/** The most edits that count as a misspelling. */
const mostEdits = 2;

/** Returns a sentence for each mistake. `path` is the config; `isFound` means that no flag named it. */
export function startWarnings(
  path: string,
  { isFound, environment = process.env }: { isFound: boolean; environment?: NodeJS.ProcessEnv },
): string[] {
  return [...misspelt(environment), ...(isFound ? besides(path) : [])];
}

function* misspelt(environment: NodeJS.ProcessEnv): Generator<string> {
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('WELDR_') || variables.includes(name)) continue;
    const meant = variables.find(variable => editDistance(name, variable) <= mostEdits);
    if (meant !== undefined) yield `${name}: Weldr reads no such variable; did you mean ${meant}?`;
  }
}

function* besides(path: string): Generator<string> {
  for (const name of searchPlaces) {
    const other = join(dirname(path), name);
    if (other === path || !existsSync(other)) continue;
    yield `${name} is not read, because ${basename(path)} exists too; remove one of them, or name one with --config`;
  }
}
