// Help: what `weldr --help` and `weldr COMMAND --help` print.
import sade from 'sade';
import type { Flag } from './flags.ts';

/** The parts of a command that its help shows. */
export interface HelpEntry {
  readonly usage: string;
  /** The usage without its arguments. */
  readonly words: string;
  readonly text: string;
  /** In the order shown. */
  readonly flags: readonly (readonly [name: string, flag: Flag])[];
}

const ofWeldr = [
  'A reverse proxy and load balancer whose pool changes at run time.',
  'WELDR_LISTEN, WELDR_ADMIN_LISTEN, WELDR_ADMIN_TOKEN, WELDR_WORKERS, WELDR_LOG_LEVEL, WELDR_ZONE and WELDR_MEMBER override',
  'the config; flags override both. WELDR_ADMIN is the URL of the admin API for commands; WELDR_ADMIN_CA,',
  'WELDR_ADMIN_CERT and WELDR_ADMIN_KEY are for an admin API that speaks TLS.',
  'Exit codes: 0 done, 1 failed, 2 wrong command line, 69 no admin API answers, 78 the config is not valid.',
];

/** Further parts of a help text. */
export interface HelpOptions {
  /** What the commands have in common; default: what all commands have. */
  readonly about?: readonly string[];
  /** Other commands of the same group, listed after the command's own help. */
  readonly others?: readonly HelpEntry[];
}

/** Prints the help of the command with these words, or of all when there are none. */
export function printHelp(
  entries: readonly HelpEntry[],
  words: string,
  { about = ofWeldr, others = [] }: HelpOptions = {},
): void {
  const program = sade('weldr').describe([...about]);
  for (const { usage, text, flags } of entries) {
    program.command(usage, text);
    for (const [name, { text, value, short }] of flags) {
      program.option(
        short === undefined ? `--${name}` : `-${short}, --${name}`,
        value === undefined ? text : `${text} (${value})`,
      );
    }
  }
  program.help(words);
  if (others.length === 0) return;
  const names = others.map(({ words }) => words);
  const width = Math.max(...names.map(name => name.length)) + 4;
  const lines = others.map(({ text }, n) => `    ${names[n]?.padEnd(width)}${text}\n`);
  process.stdout.write(`  Other Commands\n${lines.join('')}\n`);
}
