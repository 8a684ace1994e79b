// KeptNamespaces: mounts, a network and processes that live as long as the process which made them. The keeper is the first
// process of a PID namespace: with its end the kernel ends all others in it, whatever they made of their parents and groups.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** What a command did. */
export interface Ran {
  readonly code: number;
  /** Both outputs, as they came. */
  readonly text: string;
}

/** Where something runs: in the network of the namespaces, or in that of the caller. */
type Network = 'their network' | 'own network';

/** Ends with its parent; its own end takes its child away, which is the first process of the namespaces. */
const unshare = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];

/** Why there can be none here; undefined: there can. */
export function whyNoNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return 'namespaces take root';
  try {
    execFileSync('unshare', [...unshare, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'namespaces cannot be made here';
  }
}

/** Namespaces, with processes in them. `close` when done; they also end when this process does. */
export class KeptNamespaces {
  private readonly keeper: ChildProcess;
  /** The first process in them, as seen from here. */
  private first = 0;

  private constructor(script: string) {
    // `cat` ends when nobody holds the other end of its input any more: when this process is gone.
    this.keeper = spawn(
      'unshare',
      [...unshare, 'sh', '-c', `${script} && echo ready && cat > /dev/null; exit`],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
  }

  /** Makes them, and prepares them with a script. Rejects when it fails. */
  static async open(script = 'true'): Promise<KeptNamespaces> {
    const kept = new KeptNamespaces(script);
    const { keeper } = kept;
    await new Promise<void>((resolve, reject) => {
      keeper.stdout?.once('data', () => resolve());
      keeper.once('error', reject);
      keeper.once('exit', code => reject(new Error(`the keeper of the namespaces ended with ${code}`)));
    });
    kept.first = firstOf(keeper.pid);
    if (kept.first > 0) return kept;
    await kept.close();
    throw new Error('the first process of the namespaces is not to be found in /proc');
  }

  /** The command line that runs something in them. */
  command(network: Network, ...args: readonly string[]): string[] {
    // Without the PID namespace, what runs would not find itself in /proc.
    const spaces = ['--mount', '--pid', ...(network === 'their network' ? ['--net'] : [])];
    return ['nsenter', '--target', `${this.first}`, ...spaces, '--', ...args];
  }

  /** Runs a script with bash in them. Rejects when it fails. */
  async run(network: Network, script: string): Promise<string> {
    const [command = '', ...args] = this.command(network, 'bash', '-c', script);
    const { code, text } = await run(command, args);
    if (code !== 0) throw new Error(`${script.trim()}\nended with ${code}:\n${text.slice(-3000)}`);
    return text;
  }

  /** Ends all processes in them. */
  async close(): Promise<void> {
    const { keeper } = this;
    if (keeper.exitCode !== null || keeper.signalCode !== null) return;
    const ended = once(keeper, 'exit');
    // So that the first one ends, whose end the kernel reports when all others have ended.
    keeper.stdin?.end();
    await ended;
  }
}

/** The first process of a PID namespace in the chain of children of a process; 0: there is none yet. */
export function firstOf(pid: number | undefined): number {
  for (let at = pid ?? 0; at > 0; ) {
    const children = read(`/proc/${at}/task/${at}/children`).trim().split(' ');
    const next = Number(children[0] ?? 0);
    if (!(next > 0)) return 0;
    if (/^NSpid:(?:\s+\d+)+\s+1$/m.test(read(`/proc/${next}/status`))) return next;
    at = next;
  }
  return 0;
}

/** Runs a command to its end, for four minutes at most. */
export async function run(command: string, args: readonly string[]): Promise<Ran> {
  return await new Promise(resolve => {
    const options = { timeout: 240_000, maxBuffer: 64 * 1024 * 1024 };
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, text: `${stdout}${stderr}` });
    });
  });
}

/** Kills a process at once, if it is still there. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
