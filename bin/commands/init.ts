// `weldr init`: creates a project that runs as it is: a config, a plugin with its test, a Dockerfile.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type GivenAnswers, type Https, portOf, readAnswers } from '../init/answers.ts';
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
  const { written, kept, notes, remedies } = makeProject(resolve(folder), answers);
  const { https, listen, servers } = answers;
  const [first = '', ...others] = [...remedies, 'npm install'];
  const place = folder === '.' ? '' : `cd ${folder} && `;
  const port = portOf(listen);
  const lacking =
    https.by === 'files' ? [https.cert, https.key].filter(path => !existsSync(resolve(folder, path))) : [];
  return [
    `Written: ${written.join(', ')}`,
    ...(kept.length === 0 ? [] : [`Left unchanged: ${kept.join(', ')}`]),
    ...notes.map(note => `package.json: ${note}`),
    '',
    'Next:',
    `  ${place}${first}`,
    ...others.map(command => `  ${command}`),
    '  npm test            # the plugin',
    '  npm run check       # the config',
    '  npm start           # Weldr; its dashboard is http://127.0.0.1:8687',
    ...(port === undefined ? [] : [`  ${requestTo(port, https)}`]),
    ...(lacking.length === 0 ? [] : [`Still missing for the check: ${lacking.join(' and ')}.`]),
    ...(https.by === 'acme'
      ? ["Port 80 of your domains has to reach this machine: Let's Encrypt checks there."]
      : []),
    `No server at ${servers[0]} yet? Requests get 503 until there is one.`,
  ].join('\n');
}

/** Returns the command for a first request. */
function requestTo(port: number, https: Https): string {
  if (https.by === 'none') return `curl http://localhost:${port}/`;
  // The certificate is probably not for localhost.
  if (https.by === 'files') return `curl -k https://localhost:${port}/`;
  const [domain] = https.domains;
  return `curl https://${domain}${port === 443 ? '' : `:${port}`}/`;
}
