// Debian machines that really boot: systemd-nspawn in a network namespace each, joined by a bridge. All mounts and
// networks are in the namespaces of one keeper process, so that the end of that process removes them.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Returns why no machine can be booted here; undefined: it can. */
export async function whyNoMachines(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'booting machines takes root';
  const tools = { debootstrap: 'debootstrap', 'systemd-nspawn': 'systemd-container', nsenter: 'util-linux' };
  for (const [tool, of] of Object.entries(tools)) {
    if (!onPath(tool)) return `${tool} is not installed (Debian: ${of})`;
  }
  try {
    execFileSync('unshare', ['--mount', '--net', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], {
      stdio: 'ignore',
    });
  } catch {
    return 'namespaces cannot be made here';
  }
  try {
    await fetch(`${mirror}/dists/${release}/Release`, { method: 'HEAD', signal: AbortSignal.timeout(5000) });
    return undefined;
  } catch {
    return mirror === '' ? 'apt names no mirror of Debian here' : `${mirror} cannot be reached`;
  }
}

/** The result of a command in a machine. */
export interface Ran {
  readonly code: number;
  /** Both outputs, interleaved. */
  readonly text: string;
}

/** The mirror of this machine's packages, from apt. */
const mirror = execFileSync(
  'sh',
  ['-c', "apt-get indextargets --format '$(SITE)' 2>/dev/null | grep -m 1 -E '/debian/?$' || true"],
  { encoding: 'utf8' },
).trim();
const release = 'bookworm';
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A network 10.0.0.0/24 with machines; the host is 10.0.0.50. Always `close` it. */
export class MachineRoom {
  /** The initial tree of all machines: a folder in the keeper's mount namespace. */
  readonly tree: string;
  private readonly folder = mkdtempSync(join(tmpdir(), 'weldr-machines-'));
  private readonly keeper: ChildProcess;
  private readonly machines: Machine[] = [];

  private constructor() {
    this.tree = join(this.folder, 'tree');
    const script = `
      mount --make-rprivate / && mount -t tmpfs tmpfs ${this.folder} && mkdir -p /run/netns &&
      mount -t tmpfs tmpfs /run/netns && mount --make-shared /run/netns &&
      ip link set lo up && ip link add br0 type bridge && ip link set br0 up && ip addr add 10.0.0.50/24 dev br0 &&
      echo ready && exec sleep infinity`;
    this.keeper = spawn('unshare', ['--mount', '--net', 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  /** Makes the room and its tree: a minimal Debian, with these packages downloaded but not installed. */
  static async open(packages: readonly string[]): Promise<MachineRoom> {
    const room = new MachineRoom();
    try {
      await new Promise<void>((resolve, reject) => {
        room.keeper.stdout?.once('data', () => resolve());
        room.keeper.once('exit', code => reject(new Error(`the keeper of the machines ended with ${code}`)));
      });
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
   * Boots a new machine with the address 10.0.0.NUMBER/24 on its eth0, also after one of that name had its power cut.
   * Resolves once everything has started.
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

  /** Runs a script with bash on the host of the machines, in their network. Rejects if it fails. */
  async inside(script: string): Promise<string> {
    return await this.keep(['--mount', '--net'], script);
  }

  /** Runs a script that sees the machines' trees but has the network of this test. */
  async outside(script: string): Promise<string> {
    return await this.keep(['--mount'], script);
  }

  /** Returns the command line that runs something on the host of the machines. */
  command(...args: readonly string[]): string[] {
    return ['nsenter', '--target', `${this.keeper.pid}`, '--mount', '--net', '--', ...args];
  }

  private async keep(spaces: readonly string[], script: string): Promise<string> {
    const args = ['--target', `${this.keeper.pid}`, ...spaces, '--', 'bash', '-c', script];
    const { code, text } = await run('nsenter', args);
    if (code !== 0) throw new Error(`${script.trim()}\nended with ${code}:\n${text.slice(-3000)}`);
    return text;
  }

  async close(): Promise<void> {
    for (const machine of this.machines) await machine.cutPower();
    if (this.keeper.exitCode === null && this.keeper.signalCode === null) {
      const ended = new Promise(resolve => this.keeper.once('exit', resolve));
      this.keeper.kill('SIGKILL');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A booted machine. */
export class Machine {
  private readonly room: MachineRoom;
  readonly name: string;
  /** Its root folder as the keeper sees it. */
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

  /** Boots the machine. */
  async start(): Promise<void> {
    for (const group of this.groups) mkdirSync(group, { recursive: true });
    // Without a separate control group each machine's systemd would treat the groups of the others as its own.
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
      this.init = childOf(this.supervisor.pid);
      if (this.init === 0) continue;
      const { text } = await this.run('systemctl is-system-running');
      if (/^(?:running|degraded)/m.test(text)) return;
    }
    throw new Error(`machine ${this.name} did not boot within a minute`);
  }

  /** Runs commands as root, as if pasted; stops at the first that fails. */
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

  /** Resolves with the output of commands. Rejects if they fail. */
  async output(commands: string, folder?: string): Promise<string> {
    const { code, text } = await this.run(commands, folder);
    if (code !== 0)
      throw new Error(`on machine ${this.name}\n${commands}\nended with ${code}:\n${text.slice(-3000)}`);
    return text;
  }

  /** Stops everything at once; nothing on the machine answers any more. */
  async cutPower(): Promise<void> {
    const { supervisor } = this;
    this.supervisor = undefined;
    if (supervisor === undefined) return;
    await this.room.inside(`ip link del port-${this.name}; ip netns del ${this.name}`).catch(() => {});
    const ended = new Promise(resolve => supervisor.once('exit', resolve));
    if (this.init > 0) kill(this.init);
    await Promise.race([ended, sleep(3000)]);
    if (supervisor.exitCode === null && supervisor.signalCode === null) {
      supervisor.kill('SIGKILL');
      await ended;
    }
    for (const group of this.groups) await removeGroup(group);
  }
}

/** Returns where to make control groups: the unified hierarchy, and systemd's own if both exist. */
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
    // It does not exist, or one of its processes is still ending.
  }
}

/** Returns the first descendant whose pid in its own namespace is 1; 0: none yet. */
function childOf(pid: number | undefined): number {
  for (let at = pid ?? 0; at > 0; ) {
    const children = read(`/proc/${at}/task/${at}/children`).trim().split(' ');
    const next = Number(children[0] ?? 0);
    if (!(next > 0)) return 0;
    if (/^NSpid:(?:\s+\d+)+\s+1$/m.test(read(`/proc/${next}/status`))) return next;
    at = next;
  }
  return 0;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process has ended meanwhile.
  }
}

function onPath(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some(folder => existsSync(join(folder, tool)));
}

async function run(command: string, args: readonly string[]): Promise<Ran> {
  return await new Promise(resolve => {
    const options = { timeout: 240_000, maxBuffer: 64 * 1024 * 1024 };
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, text: `${stdout}${stderr}` });
    });
  });
}
