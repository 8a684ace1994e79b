// The command line of `weldr`: finds the command that was typed, and reports mistakes.
import { parseArgs } from 'node:util';
import { nearest } from '../core/errors/nearest.ts';
import { exitCodes } from '../core/process/exit-codes.ts';
import { usageError } from './command-error.ts';
import { certificateCommands } from './command-line/certificate-commands.ts';
import { clusterCommands } from './command-line/cluster-commands.ts';
import { argumentsOf, type Command, print, wordsOf } from './command-line/command.ts';
import { type Flag, type FlagName, flagOf, GivenFlags, nearestFlag } from './command-line/flags.ts';
import type { HelpEntry } from './command-line/help.ts';
import { poolCommands } from './command-line/pool-commands.ts';
import { processCommands } from './command-line/process-commands.ts';
import { routeCommands } from './command-line/route-commands.ts';
import { serverCommands } from './command-line/server-commands.ts';
import { stateCommands } from './command-line/state-commands.ts';
import { trafficCommands } from './command-line/traffic-commands.ts';

const commands: readonly Command[] = [
  ...processCommands,
  ...serverCommands,
  ...poolCommands,
  ...routeCommands,
  ...trafficCommands,
  ...certificateCommands,
  ...stateCommands,
  ...clusterCommands,
];

/** The groups whose first word alone is no command. */
const groups: Readonly<Record<string, string>> = {
  cluster: 'Set up a cluster of Weldrs, see how it is, and decide which of its nodes leads',
  pool: 'All changes that operators made at run time, to servers, pools, routes, certificates and settings',
};

/**
 * Runs the command that the arguments (those after `weldr`) name. Resolves with its exit code, or undefined while it
 * continues. Throws a CommandError; for a wrong command or flag it names the nearest right one.
 */
export async function runCommandLine(args: readonly string[]): Promise<number | undefined> {
  const end = args.findIndex(arg => arg.startsWith('-'));
  const words = end < 0 ? args : args.slice(0, end);
  const rest = end < 0 ? [] : args.slice(end);
  const isHelp = words[0] === 'help' || asks(rest, '--help', '-h');
  if (words[0] === 'version' || (!isHelp && asks(rest, '--version', '-v'))) {
    const { version } = await import('../core/package/version.ts');
    return print(`weldr, ${version}`);
  }
  if (isHelp) return await showHelp(words[0] === 'help' ? words.slice(1) : words);
  const command = findCommand(words);
  const { values, positionals } = readFlags(command, rest);
  if (words.length === 0) refuseFlagsFirst(positionals);
  const typed = [...words.slice(words.length === 0 ? 0 : wordsOf(command).split(' ').length), ...positionals];
  const expected = argumentsOf(command);
  const missing = expected.slice(typed.length).find(name => name.startsWith('<'));
  if (missing !== undefined) {
    throw usageError(`weldr ${command.usage}: ${missing} is missing`, wordsOf(command));
  }
  const superfluous = typed[expected.length];
  if (superfluous !== undefined) {
    if (command.flags.includes('config') && /[./]/.test(superfluous)) {
      throw usageError(
        `the config is named with --config: weldr ${wordsOf(command)} --config ${superfluous}`,
      );
    }
    throw usageError(
      `weldr ${wordsOf(command)}: unexpected argument ${JSON.stringify(superfluous)}`,
      wordsOf(command),
    );
  }
  return await command.run(typed, new GivenFlags(values));
}

/** Shows the help of a command, of a group of commands such as `cluster`, or of all commands. */
async function showHelp(words: readonly string[]): Promise<number> {
  const { printHelp } = await import('./command-line/help.ts');
  const [word = ''] = words;
  const others =
    words.length === 1 ? helpOf(commands.filter(one => wordsOf(one).startsWith(`${word} `))) : [];
  const about = groups[word];
  if (others.length > 0 && about !== undefined) printHelp(others, '', { about: [about] });
  else printHelp(helpOf(commands), words.length === 0 ? '' : wordsOf(findCommand(words)), { others });
  return exitCodes.ok;
}

function helpOf(list: readonly Command[]): readonly HelpEntry[] {
  return list.map(command => {
    const { usage, text, flags, flagTexts } = command;
    const shown = flags.map(name => {
      const flag = flagOf(name);
      return [name, { ...flag, text: flagTexts?.[name] ?? flag.text }] as const;
    });
    return { usage, words: wordsOf(command), text, flags: shown };
  });
}

function asks(rest: readonly string[], ...names: readonly string[]): boolean {
  return rest.some(arg => names.includes(arg));
}

/** The words of a command come first, its flags after them; no word at all is `start`. */
function findCommand(words: readonly string[]): Command {
  const start = commands[0];
  if (start === undefined) throw new Error('there is no command');
  if (words.length === 0) return start;
  const typed = words.join(' ');
  const found = commands
    .filter(command => `${typed} `.startsWith(`${wordsOf(command)} `))
    .sort((a, b) => b.usage.length - a.usage.length)[0];
  const group = commands.filter(({ usage }) => usage.startsWith(`${words[0]} `)).map(wordsOf);
  // `weldr servers` is a command; `weldr servers ad` is a misspelt one of its group.
  const isMisspelt = group.length > 0 && found?.usage === words[0] && words.length > 1;
  return found === undefined || isMisspelt ? refuseCommand(words, group) : found;
}

/** Commands of other servers, with Weldr's names for them. */
const familiar: Readonly<Record<string, string>> = {
  run: 'start',
  serve: 'start',
  restart: 'reload',
  status: 'health',
  healthcheck: 'health',
  validate: 'check',
  configtest: 'check',
  test: 'check',
  list: 'servers',
  add: 'servers add',
  remove: 'servers remove',
  upstreams: 'servers',
  new: 'init',
  create: 'init',
  logs: 'events',
};

function refuseCommand(words: readonly string[], group: readonly string[]): never {
  if (words[0] === 'stop' || words[0] === 'quit') {
    throw usageError(
      `there is no command "${words[0]}"; stop Weldr with Ctrl-C or kill PID: it finishes the requests in flight first`,
    );
  }
  if (words.length === 1 && group.length > 0) {
    const seconds = group.map(name => name.slice(`${words[0]} `.length));
    const list = new Intl.ListFormat('en', { type: 'disjunction' }).format(seconds);
    throw usageError(`weldr ${words[0]} needs a second word: ${list}`);
  }
  const near =
    familiar[words[0] ?? ''] ??
    nearest(words.slice(0, 2).join(' '), commands.map(wordsOf)) ??
    nearest(words[0] ?? '', commands.map(wordsOf));
  const meant = near === undefined ? '' : `; did you mean \`weldr ${near}\`?`;
  throw usageError(`there is no command ${JSON.stringify(words.join(' '))}${meant}`);
}

/** `weldr --config x check` would start Weldr, which is not what the user means. */
function refuseFlagsFirst([word = '']: readonly string[]): void {
  if (commands.some(command => wordsOf(command).split(' ')[0] === word)) {
    throw usageError(`the command comes before its flags: weldr ${word} --…`);
  }
}

/** Reads the flags of a command, and the arguments among them. */
function readFlags(command: Command, rest: readonly string[]) {
  const known: readonly FlagName[] = command.flags;
  const options = Object.fromEntries(
    known.map(name => {
      const { value, short }: Flag = flagOf(name);
      return [
        name,
        { type: value === undefined ? ('boolean' as const) : ('string' as const), ...(short && { short }) },
      ];
    }),
  );
  const { tokens, positionals } = parseArgs({
    args: [...rest],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<FlagName, string[]>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { rawName, value, inlineValue } = token;
    const name = known.find(flag => flag === token.name);
    if (name === undefined) {
      throw usageError(
        `weldr ${wordsOf(command)} has no flag ${rawName}${nearestFlag(rawName, known)}`,
        wordsOf(command),
      );
    }
    const isSwitch = flagOf(name).value === undefined;
    if (isSwitch && value !== undefined) throw usageError(`${rawName} takes no value`);
    if (!isSwitch && (value === undefined || value === '')) throw usageError(`${rawName} needs a value`);
    if (inlineValue === false && /^-[^\d]/.test(value ?? '')) {
      throw usageError(`${rawName} needs a value; if it is ${value}, write ${rawName}=${value}`);
    }
    values.set(name, [...(values.get(name) ?? []), value ?? '']);
  }
  return { values, positionals };
}
