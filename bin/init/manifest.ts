// Manifest: the `package.json` of a new project, or the additions to an existing one.
import { CommandError } from '../command-error.ts';
import { manifest } from './project-template.ts';

/** The test script that `npm init` writes. */
const noTest = 'echo "Error: no test specified" && exit 1';

/**
 * Returns the text of `package.json` with everything that the project needs. Existing values stay: `notes` names those that
 * get in the way, a sentence each, and `remedies` lists commands that fix them. Throws a CommandError if it is not JSON.
 */
export function completeManifest(
  text: string | undefined,
  path: string,
): { text: string; notes: readonly string[]; remedies: readonly string[] } {
  const own = text === undefined ? {} : parse(text, path);
  const notes: string[] = [];
  const { scripts, dependencies, devDependencies } = own;
  const ownScripts: Readonly<Record<string, unknown>> = { ...objectOf(scripts) };
  const { test, ...others } = ownScripts;
  const whole = {
    ...(text === undefined && { private: manifest.private }),
    ...own,
    type: own['type'] ?? manifest.type,
    scripts: { ...manifest.scripts, ...(test === undefined || test === noTest ? others : ownScripts) },
    engines: own['engines'] ?? manifest.engines,
    dependencies: { ...manifest.dependencies, ...objectOf(dependencies) },
    devDependencies: { ...manifest.devDependencies, ...objectOf(devDependencies) },
  };
  for (const [name, command] of Object.entries(manifest.scripts)) {
    const has = Reflect.get(whole.scripts, name);
    if (has !== command)
      notes.push(`its script "${name}" stays ${JSON.stringify(has)}; Weldr's would be "${command}"`);
  }
  const isModule = whole.type === manifest.type;
  if (!isModule) {
    notes.push(
      `its type stays ${JSON.stringify(whole.type)}, but the plugin's test needs ${JSON.stringify(manifest.type)}`,
    );
  }
  const remedies = isModule ? [] : [`npm pkg set type=${manifest.type}`];
  return { text: `${JSON.stringify(whole, undefined, 2)}\n`, notes, remedies };
}

function parse(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Reported like JSON that is not an object.
  }
  throw new CommandError(
    `${path} is not a JSON object: nothing was written; correct it, or name another folder (weldr init FOLDER)`,
  );
}

function objectOf(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}
