// Debian machines that are really booted: systemd-nspawn in a network namespace each, joined by a bridge. All mounts,
// networks and processes are in namespaces that end with the test, whatever ends it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstOf, KeptNamespaces, kill, type Ran, run, whyNoNamespaces } from './kept-namespaces.ts';

/** Why no machine can be booted here; undefined: it can. */
export async function whyNoMachines(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'booting machines takes root';
  const tools = { debootstrap: 'debootstrap', 'systemd-nspawn': 'systemd-container', nsenter: 'util-linux' };
  for (const [tool, of] of Object.entries(tools)) {
    if (!onPath(tool)) return `${tool} is not installed (Debian: ${of})`;
  }
  const whyNot = whyNoNamespaces();
  if (whyNot !== undefined) return whyNot;
  try {
    await fetch(`${mirror}/dists/${release}/Release`, { method: 'HEAD', signal: AbortSignal.timeout(5000) });
    return undefined;
  } catch {
    return mirror === '' ? 'apt names no mirror of Debian here' : `${mirror} cannot be reached`;
  }
}

/** Where this machine has its packages from, as apt says. */
const mirror = execFileSync(
  'sh',
  ['-c', "apt-get indextargets --format '$(SITE)' 2>/dev/null | grep -m 1 -E '/debian/?$' || true"],
  { encoding: 'utf8' },
).trim();
const release = 'bookworm';
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A network 10.0.0.0/24 with machines; where it runs itself is 10.0.0.50. `close` when done, or when it failed. */
export class MachineRoom {
  /** The tree that all machines begin with: a folder in the mount namespace of the room. */
  readonly tree: string;
  private readonly folder: string;
  private readonly kept: KeptNamespaces;
  private readonly machines: Machine[] = [];

  private constructor(folder: string, kept: KeptNamespaces) {
    this.folder = folder;
    this.tree = join(folder, 'tree');
    this.kept = kept;
  }

  /** Makes the room, and its tree with these packages at hand, none of them installed but Debian's least. */
  static async open(packages: readonly string[]): Promise<MachineRoom> {
    const folder = mkdtempSync(join(tmpdir(), 'weldr-machines-'));
    const kept = await KeptNamespaces.open(`
      mount --make-rprivate / && mount -t tmpfs tmpfs ${folder} && mkdir -p /run/netns &&
      mount -t tmpfs tmpfs /run/netns && mount --make-shared /run/netns &&
      ip link set lo up && ip link add br0 type bridge && ip link set br0 up && ip addr add 10.0.0.50/24 dev br0`);
    const room = new MachineRoom(folder, kept);
    try {
      await room.makeTree(packages);
      return room;
    } catch (thrown) {
      await room.close();
      throw thrown;
    }
  }

  private async makeTree(packages: readonly string[]): Promise<void> {
    const least = 'systemd,systemd-sysv,dbus,iproute2,ca-certificates';
    await this.outside(`
      debootstrap --variant=minbase --include=${least} ${release} ${this.tree} ${mirror} &&
      chroot ${this.tree} apt-get update -q &&
      chroot ${this.tree} apt-get install -y --download-only ${packages.join(' ')} &&
      : > ${this.tree}/etc/resolv.conf`);
  }

  /**
   * Boots a machine with the address 10.0.0.NUMBER/24 on its eth0: a new one, also where one of that name had its power cut.
   * Resolves when all of it has started.
   */
  async boot(name: string, number: number): Promise<Machine> {
    const root = join(this.folder, name);
    const machine = new Machine(this, name, root);
    this.machines.push(machine);
    const port = `port-${name}`;
    await this.inside(`
      ip netns add ${name} && ip -n ${name} link set lo up &&
      ip link add ${port} type veth peer name eth0 netns ${name} && ip link set ${port} master br0 up &&
      ip -n ${name} addr add 10.0.0.${number}/24 dev eth0 && ip -n ${name} link set eth0 up &&
      if mountpoint -q ${root}; then umount -l ${root}; fi && rm -rf ${root}.up ${root}.work &&
      mkdir -p ${root}.up ${root}.work ${root} &&
      mount -t overlay overlay -o lowerdir=${this.tree},upperdir=${root}.up,workdir=${root}.work ${root} &&
      rm -f ${root}/etc/machine-id && : > ${root}/etc/machine-id && echo ${name} > ${root}/etc/hostname &&
      printf '127.0.0.1 localhost\\n10.0.0.${number} ${name}\\n' > ${root}/etc/hosts`);
    await machine.start();
    return machine;
  }

  /** Runs a script with bash beside the machines, in their network. Rejects when it fails. */
  async inside(script: string): Promise<string> {
    return await this.kept.run('their network', script);
  }

  /** Runs a script that sees the machines' trees, and has the network of this test. */
  async outside(script: string): Promise<string> {
    return await this.kept.run('own network', script);
  }

  /** The command line that runs something beside the machines. */
  command(...args: readonly string[]): string[] {
    return this.kept.command('their network', ...args);
  }

  async close(): Promise<void> {
    for (const machine of this.machines) await machine.cutPower();
    await this.kept.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A booted machine. */
export class Machine {
  private readonly room: MachineRoom;
  readonly name: string;
  /** Its root folder as the room sees it. */
  readonly root: string;
  private supervisor: ChildProcess | undefined;
  private init = 0;
  private readonly groups: readonly string[];

  constructor(room: MachineRoom, name: string, root: string) {
    this.room = room;
    this.name = name;
    this.root = root;
    this.groups = hierarchies().map(folder => join(folder, `weldr-${process.pid}-${name}`));
  }

  /** Boots it. */
  async start(): Promise<void> {
    for (const group of this.groups) mkdirSync(group, { recursive: true });
    // Without a control group of its own each machine's systemd would take the groups of the others for its own.
    const enter = this.groups.map(group => `echo $$ > ${group}/cgroup.procs;`).join(' ');
    const nspawn =
      'systemd-nspawn --quiet --register=no --keep-unit --boot --capability=all' +
      ` --network-namespace-path=/run/netns/${this.name} -D ${this.root}`;
    const [command = '', ...args] = this.room.command('sh', '-c', nspawn);
    this.supervisor = spawn('sh', ['-c', `${enter} exec "$@"`, 'sh', command, ...args], {
      stdio: 'ignore',
      env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
    });
    for (let tries = 0; tries < 600; tries++) {
      await sleep(100);
      this.init = firstOf(this.supervisor.pid);
      if (this.init === 0) continue;
      const { text } = await this.run('systemctl is-system-running');
      if (/^(?:running|degraded)/m.test(text)) return;
    }
    throw new Error(`machine ${this.name} did not boot within a minute`);
  }

  /** Runs commands as somebody does who is root and pastes them: each has to succeed, or the rest is left. */
  async run(commands: string, folder = '/root'): Promise<Ran> {
    const environment = ['-i', `PATH=${path}`, 'HOME=/root', 'LANG=C.UTF-8'];
    const script = `cd ${folder}\n${commands}`;
    const args = [
      '--target',
      `${this.init}`,
      '--all',
      '--',
      'env',
      ...environment,
      'bash',
      '-e',
      '-c',
      script,
    ];
    return await run('nsenter', args);
  }

  /** What commands print. Rejects when they fail. */
  async output(commands: string, folder?: string): Promise<string> {
    const { code, text } = await this.run(commands, folder);
    if (code !== 0)
      throw new Error(`on machine ${this.name}\n${commands}\nended with ${code}:\n${text.slice(-3000)}`);
    return text;
  }

  /** Everything stops at once, and nothing of it answers any more. */
  async cutPower(): Promise<void> {
    const { supervisor } = this;
    this.supervisor = undefined;
    if (supervisor === undefined) return;
    await this.room.inside(`ip link del port-${this.name}; ip netns del ${this.name}`).catch(() => {});
    const ended = new Promise(resolve => supervisor.once('exit', resolve));
    if (this.init > 0) kill(this.init);
    await Promise.race([ended, sleep(10_000)]);
    if (supervisor.exitCode === null && supervisor.signalCode === null) {
      supervisor.kill('SIGKILL');
      await ended;
    }
    for (const group of this.groups) await removeGroup(group);
  }
}

/** Where control groups are made: the unified hierarchy, and systemd's own where there are both. */
function hierarchies(): string[] {
  const base = '/sys/fs/cgroup';
  if (existsSync(`${base}/cgroup.controllers`)) return [base];
  return [`${base}/unified`, `${base}/systemd`].filter(folder => existsSync(folder));
}

async function removeGroup(group: string): Promise<void> {
  await run('find', [group, '-depth', '-mindepth', '1', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
  try {
    rmdirSync(group);
  } catch {
    // It is not there, or one of its processes is still on its way out.
  }
}

function onPath(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some(folder => existsSync(join(folder, tool)));
}
