// The commands of docs/cluster.md that a slow test runs on booted machines, and those that it replaces.
import { readFileSync } from 'node:fs';

/** A block of commands; its first line says where to run it. */
export interface PageCommands {
  /** Its heading and its number below it, such as `Start etcd 1`. */
  readonly name: string;
  /** Such as `on a and b`. */
  readonly where: string;
  readonly text: string;
}

/** Returns all blocks of commands of the page, by name, in order. */
export function clusterCommands(): ReadonlyMap<string, PageCommands> {
  const page = readFileSync(new URL('../../docs/cluster.md', import.meta.url), 'utf8');
  const found = new Map<string, PageCommands>();
  for (const section of page.split(/^##+ (?=.*$)/m).slice(1)) {
    const title = section.slice(0, section.indexOf('\n'));
    const blocks = [...section.matchAll(/^```sh\n(?:# (on [^\n]*)\n)?(.*?)^```$/gms)];
    for (const [index, [, where = '', text = '']] of blocks.entries()) {
      const name = `${title} ${index + 1}`;
      found.set(name, { name, where, text });
    }
  }
  return found;
}

/** The blocks that are run as they are, in the order in which they are run. */
export const commandsRun: readonly string[] = [
  'Install Weldr 2',
  'Write the settings 1',
  'Start etcd 1',
  'Start etcd 2',
  'Start Weldr 1',
  'Check that it works 1',
  'Check that it works 2',
  'Check that it works 3',
  'Check that it works 4',
  'Hand over 1',
  'Keep a node from leading 1',
  'Keep a node from leading 2',
  'Requirements of etcd 1',
  'Upgrading 2',
  'Back up 1',
  'Restore 1',
  'Restore 2',
  'When etcd is out of space 1',
  'Replace a machine 1',
  'Replace a machine 3',
];

/** The blocks that are replaced, and why. */
export const commandsReplaced: ReadonlyMap<string, string> = new Map([
  ['Install Weldr 1', 'the machines have no internet: Node and the packed Weldr are installed in their tree'],
  ['Write the settings 2', 'the machines have no sshd: the folders are copied from tree to tree'],
  ['Replace a machine 2', 'as above'],
  ['Upgrading 1', 'there is no newer version to install'],
]);
