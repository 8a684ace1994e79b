// Machine: assigns its cores, and describes it for the record.
import { spawnSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';

/** The cores of each side. */
export interface CorePlan {
  readonly proxy: readonly number[];
  readonly origin: readonly number[];
  readonly client: readonly number[];
}

/** Assigns the cores that this process may use. The proxy always has a core to itself. */
export function planCores(allowed: readonly number[] = allowedCores()): CorePlan {
  const [first, second, third, fourth] = allowed;
  if (first === undefined || second === undefined) {
    throw new Error('the benchmark needs two cores: one for the proxy, one for the client and the origin');
  }
  return { proxy: [first], origin: [third ?? second], client: [fourth ?? second] };
}

/** Returns all cores of a plan. */
export function allCores({ proxy, origin, client }: CorePlan): number[] {
  return [...new Set([...proxy, ...client, ...origin])];
}

/** Parses a list of cores such as `0-2,5`, as taskset writes it. */
export function parseCoreList(text: string): number[] {
  return text.split(',').flatMap(range => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, n) => from + n);
  });
}

/** Pins a process with all its threads to these cores; its children stay where they are. */
export function pinProcess(pid: number, cores: readonly number[]): void {
  spawnSync('taskset', ['-acp', cores.join(','), String(pid)]);
}

/** Describes this machine. */
export function describeMachine() {
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
  return error === undefined ? (`${stdout}${stderr}`.trim().split('\n')[0] ?? '') : undefined;
}

function allowedCores(): number[] {
  const line = firstLine('taskset', ['-cp', String(process.pid)]);
  if (line === undefined) {
    throw new Error('the benchmark pins processes with taskset: apt-get install util-linux');
  }
  return parseCoreList(line.slice(line.lastIndexOf(':') + 1));
}
