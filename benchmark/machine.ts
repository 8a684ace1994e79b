// Machine: assigns its cores, and describes it for the record.
import { spawnSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';

/** The cores of each side. */
export interface CorePlan {
  readonly proxy: readonly number[];
  readonly origin: readonly number[];
  readonly client: readonly number[];
  /** For a proxy with two workers; undefined if the machine has too few cores. */
  readonly twoWorkers: readonly number[] | undefined;
}

/** The machine of a measurement. */
export interface MachineDescription {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly system: string;
}

/** Assigns the cores that this process may use. The proxy always has a core to itself. */
export function planCores(allowed: readonly number[] = allowedCores()): CorePlan {
  const [first, second, third, fourth] = allowed;
  if (first === undefined || second === undefined) {
    throw new Error('the benchmark needs two cores: one for the proxy, one for the client and the origin');
  }
  return {
    proxy: [first],
    origin: [third ?? second],
    client: [fourth ?? second],
    twoWorkers: fourth === undefined ? undefined : [first, second],
  };
}

/** Parses a list of cores such as `0-2,5`, as /proc/self/status and taskset write it. */
export function parseCoreList(text: string): number[] {
  const cores: number[] = [];
  for (const range of text.trim().split(',')) {
    const [from, to = from] = range.split('-').map(Number);
    if (from === undefined || to === undefined) continue;
    for (let core = from; core <= to; core++) cores.push(core);
  }
  return cores;
}

/** Pins a process with all its threads to these cores; its children stay where they are. */
export function pinProcess(pid: number, cores: readonly number[]): void {
  spawnSync('taskset', ['-acp', cores.join(','), String(pid)]);
}

/** Lets a process, with all its threads, run only while its cores are idle. */
export function yieldProcess(pid: number): void {
  spawnSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(pid)]);
}

/** Describes this machine. */
export function describeMachine(): MachineDescription {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    kernel: release(),
    system: firstLine('sh', ['-c', '. /etc/os-release && echo "$PRETTY_NAME"']) ?? process.platform,
  };
}

/** Returns the first line that a command prints, on either output; undefined if there is no such command. */
export function firstLine(command: string, args: readonly string[]): string | undefined {
  const { error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 });
  if (error !== undefined) return undefined;
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? '';
}

function allowedCores(): number[] {
  const line = firstLine('taskset', ['-cp', String(process.pid)]);
  if (line === undefined)
    throw new Error('the benchmark pins processes with taskset: apt-get install util-linux');
  return parseCoreList(line.slice(line.lastIndexOf(':') + 1));
}
