// `weldr cluster init` and `weldr cluster check`: turn bare machines into a pair that hands over, and check that its etcd
// is healthy.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodes } from '../../core/process/exit-codes.ts';
import { checkEtcd, type EtcdFindings } from '../cluster-setup/etcd-check.ts';
import { type ClusterPlan, filesOf } from '../cluster-setup/files.ts';
import { type Machine, pick, readMachines } from '../cluster-setup/machines.ts';
import { CommandError, usageError } from '../command-error.ts';
import { printable } from '../table.ts';

/** The flags of `weldr cluster init`, as typed. */
export interface ClusterInitOptions {
  readonly machines: string;
  /** Names with commas; undefined: all machines but the last. */
  readonly weldrs: string | undefined;
  readonly address: string | undefined;
  readonly interface: string | undefined;
  /** The folder to create. */
  readonly output: string;
}

/**
 * Writes a folder for each machine, and returns what to run. It also asks the machines, and reports any etcd that
 * already runs. Throws a usage error for an impossible cluster, and a CommandError rather than overwrite files.
 */
export async function initCluster(options: ClusterInitOptions): Promise<string> {
  const plan = planOf(options);
  const { output } = options;
  for (const machine of plan.machines) {
    const folder = join(output, machine.name);
    if (existsSync(folder)) {
      throw new CommandError(`${folder} already exists; remove it, or name another folder with --output`);
    }
  }
  for (const machine of plan.machines) {
    const folder = join(output, machine.name);
    mkdirSync(folder, { recursive: true });
    for (const [name, text] of Object.entries(filesOf(machine, plan)))
      writeFileSync(join(folder, name), text);
  }
  const found = await checkEtcd(plan.machines);
  return [...steps(plan, output), ...alreadyThere(found)].join('\n');
}

/** Checks the etcd of these machines. Returns what to print, and the exit code: 1 when something needs repair. */
export async function checkCluster(machines: string): Promise<{ text: string; code: number }> {
  const { machines: lines, problems, warnings } = await checkEtcd(readMachines(machines));
  const text = [
    ...lines,
    '',
    ...problems.map(problem => `✘ ${problem}`),
    ...warnings.map(warning => `! ${warning}`),
    ...(problems.length === 0 ? ['etcd is healthy: these machines are one cluster with a leader.'] : []),
  ].map(printable);
  return { text: text.join('\n'), code: problems.length === 0 ? exitCodes.ok : exitCodes.failed };
}

function planOf({ machines: text, weldrs, address, interface: name }: ClusterInitOptions): ClusterPlan {
  const machines = readMachines(text);
  if ((address === undefined) !== (name === undefined)) {
    throw usageError(
      '--address and --interface belong together, such as --address 10.0.0.100/24 --interface eth0',
    );
  }
  if (address !== undefined && !/^[\da-f.:]+\/\d{1,3}$/i.test(address)) {
    throw usageError(
      `--address: expected an address with its prefix length, such as 10.0.0.100/24, got ${address}`,
    );
  }
  if (name !== undefined && !/^[\w.@-]{1,15}$/.test(name)) {
    throw usageError(`--interface: expected a name such as eth0, got ${name}`);
  }
  return {
    machines,
    weldrs: weldrs === undefined ? machines.slice(0, -1) : pick(machines, weldrs.split(',')),
    service: address === undefined || name === undefined ? undefined : { address, interface: name },
    token: `weldr-${randomBytes(8).toString('hex')}`,
  };
}

function steps({ machines, weldrs, service }: ClusterPlan, output: string): string[] {
  const all = list(machines);
  const tools = service === undefined ? '' : ' iproute2 iputils-arping nftables';
  return [
    `Written to ${output}/: ${machines.map(({ name }) => name).join(', ')}. Copy each machine's folder to it, then, as root:`,
    '',
    `1. On ${all}, all before step 2:`,
    '     apt-get install -y etcd-server etcd-client',
    '     cp etcd.env /etc/default/etcd',
    '     systemctl enable etcd',
    // A member is ready only with a majority of them, so each start would wait for the next one.
    '     systemctl restart --no-block etcd',
    '2. Anywhere:',
    `     weldr cluster check ${machines.map(({ name, ip, port }) => `${name}=${ip}${port === 2379 ? '' : `:${port}`}`).join(',')}`,
    `3. On ${list(weldrs)}, where Weldr is installed:`,
    ...(tools === '' ? [] : [`     apt-get install -y${tools}`]),
    '     weldr check --config weldr.config.ts',
    '   and start Weldr as a service with that config.',
    '',
    'Anyone who reaches the ports of etcd can change the pool: open them to these machines only, or turn on TLS.',
  ];
}

function alreadyThere({ problems }: EtcdFindings): string[] {
  const said = problems.filter(problem => !/no etcd answers/.test(problem));
  return said.length === 0
    ? []
    : ['', 'An etcd already runs:', ...said.map(problem => printable(`✘ ${problem}`))];
}

function list(machines: readonly Machine[]): string {
  return new Intl.ListFormat('en').format(machines.map(({ name }) => name));
}
