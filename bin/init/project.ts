// Project: writes the files of `weldr init`, and decides which existing files stay.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeError } from '../../core/errors.ts';
import { CommandError } from '../command-error.ts';
import { type Answers, portOf } from './answers.ts';
import { configText } from './config-template.ts';
import { completeManifest } from './manifest.ts';
import { pluginTestText, pluginText } from './plugin-template.ts';
import {
  dataGitignoreText,
  dockerfileText,
  dockerignoreText,
  gitignoreText,
  tsconfigText,
} from './project-template.ts';

/** What was done. */
export interface MadeProject {
  readonly written: readonly string[];
  readonly kept: readonly string[];
  /** Values of an existing `package.json` that get in the way, a sentence each. */
  readonly notes: readonly string[];
  /** Commands that resolve them. */
  readonly remedies: readonly string[];
}

/** Throws a CommandError if a project would overwrite files in a folder. */
export function refuseExisting(folder: string): void {
  const existing = fileNames.filter(name => !sharedNames.has(name) && existsSync(join(folder, name)));
  if (existing.length === 0) return;
  const [exist, them] = existing.length === 1 ? ['exists', 'it'] : ['exist', 'them'];
  const names = new Intl.ListFormat('en').format(existing);
  throw new CommandError(
    `${names} already ${exist} in ${folder}; nothing was written: name another folder (weldr init FOLDER), or overwrite ${them} with --force`,
  );
}

/**
 * Writes the files of a project into a folder, which it creates. Existing files are replaced, except shared ones, which are
 * kept, and `package.json`, which gets what it lacks. Throws a CommandError when that fails.
 */
export function makeProject(folder: string, answers: Answers): MadeProject {
  const kept = fileNames.filter(name => sharedNames.has(name) && existsSync(join(folder, name)));
  const manifestPath = join(folder, 'package.json');
  try {
    const before = existsSync(manifestPath) ? readFileSync(manifestPath, 'utf8') : undefined;
    const { text: manifest, ...rest } = completeManifest(before, manifestPath);
    const texts = textsOf(answers);
    const written = fileNames.filter(name => !kept.includes(name));
    write(manifestPath, manifest);
    for (const name of written) write(join(folder, name), texts[name]);
    return { written: ['package.json', ...written], kept, ...rest };
  } catch (thrown) {
    if (thrown instanceof CommandError) throw thrown;
    throw new CommandError(`the project cannot be written: ${describeError(thrown)}`);
  }
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const fileNames = [
  'weldr.config.ts',
  'plugins/hide-dotfiles.ts',
  'plugins/hide-dotfiles.test.ts',
  'Dockerfile',
  'tsconfig.json',
  '.gitignore',
  '.dockerignore',
  'data/.gitignore',
] as const;

/** May belong to other tools, and Weldr does not depend on its own: existing ones are kept. */
const sharedNames: ReadonlySet<string> = new Set([
  'tsconfig.json',
  '.gitignore',
  '.dockerignore',
  'data/.gitignore',
]);

function textsOf(answers: Answers): Readonly<Record<(typeof fileNames)[number], string>> {
  return {
    'weldr.config.ts': configText(answers),
    'plugins/hide-dotfiles.ts': pluginText,
    'plugins/hide-dotfiles.test.ts': pluginTestText,
    Dockerfile: dockerfileText(portsOf(answers)),
    'tsconfig.json': tsconfigText,
    '.gitignore': gitignoreText,
    '.dockerignore': dockerignoreText,
    'data/.gitignore': dataGitignoreText,
  };
}

/** Returns the ports of Weldr's listeners. */
function portsOf({ listen, https }: Answers): readonly number[] {
  const port = portOf(listen) ?? 8080;
  return https.by !== 'none' && (https.by === 'acme' || port === 443) ? [80, port] : [port];
}
