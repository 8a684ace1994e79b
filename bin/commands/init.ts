// `weldr init`: creates a project with a config, a plugin and its test, which runs as it is.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type GivenAnswers, portOf, readAnswers } from '../init/answers.ts';
import { makeProject, refuseExisting } from '../init/project.ts';

/** The flags of `weldr init`. */
export interface InitOptions extends GivenAnswers {
  /** The project's folder; default: the working directory. */
  readonly folder: string | undefined;
  /** Overwrite files. */
  readonly force: boolean;
}

/** Creates the project. Returns what was done and what to run next. Throws a CommandError rather than overwrite files. */
export async function initProject({ folder = '.', force, ...given }: InitOptions): Promise<string> {
  // Before the questions: their answers would be lost.
  if (!force) refuseExisting(resolve(folder));
  const answers = await readAnswers(given);
  const { written, kept, notes } = makeProject(resolve(folder), answers);
  const { https, listen, servers } = answers;
  const place = folder === '.' ? '' : `cd ${folder} && `;
  const scheme = https.by === 'none' ? 'http' : 'https';
  const port = portOf(listen);
  const lacking =
    https.by === 'files' ? [https.cert, https.key].filter(path => !existsSync(resolve(folder, path))) : [];
  return [
    `Written: ${written.join(', ')}`,
    ...(kept.length === 0 ? [] : [`Left unchanged: ${kept.join(', ')}`]),
    ...notes.map(note => `package.json: ${note}`),
    '',
    'Next:',
    `  ${place}npm install`,
    '  npm test            # the plugin',
    '  npm run check       # the config',
    '  npm start           # Weldr; its dashboard is http://127.0.0.1:8687',
    ...(port === undefined ? [] : [`  curl ${scheme}://localhost:${port}/`]),
    ...(lacking.length === 0 ? [] : [`Before the check, put ${lacking.join(' and ')} there.`]),
    ...(https.by === 'acme'
      ? ["Port 80 of your domains has to reach this machine: Let's Encrypt checks there."]
      : []),
    `No server at ${servers[0]} yet? Requests get 503 until there is one.`,
  ].join('\n');
}
