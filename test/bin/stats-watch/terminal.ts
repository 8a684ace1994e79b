// The command `weldr` on a separate terminal (a pty), which tests drive like a person. Needs python3.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { z } from 'zod';
import { until } from '../../support/until.ts';
import { commandFrom } from '../../support/weldr.ts';
import { TerminalScreen } from './terminal-screen.ts';

// argv: columns, rows, program… Lines of JSON come on stdin, its output goes to stdout, its end to fd 4.
const program = `
import fcntl, json, os, pty, select, signal, struct, sys, termios
def resize(fd, size): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', size[1], size[0], 0, 0))
pid, master = pty.fork()
if pid == 0:
    resize(0, [int(sys.argv[1]), int(sys.argv[2])])
    os.dup2(3, 2)
    os.closerange(3, 5)
    os.execv(sys.argv[3], sys.argv[3:])
modes, rest, watched = None, b'', [master, 0]
while master in watched:
    ready = select.select(watched, [], [])[0]
    if master in ready:
        try: data = os.read(master, 65536)
        except OSError: data = b''
        if not data: break
        os.write(1, data)
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            os.kill(pid, signal.SIGKILL)
            watched.remove(0)
        rest += data
        *lines, rest = rest.split(b'\\n')
        for line in lines:
            order = json.loads(line)
            if 'size' in order: resize(master, order['size'])
            if 'keys' in order: os.write(master, order['keys'].encode())
            if 'signal' in order: os.kill(pid, getattr(signal, order['signal']))
            if 'hangUp' in order:
                os.close(master)
                watched.remove(master)
if master in watched:
    flags = termios.tcgetattr(master)[3]
    modes = {'echo': flags & termios.ECHO != 0, 'lines': flags & termios.ICANON != 0}
status = os.waitpid(pid, 0)[1]
code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else signal.Signals(os.WTERMSIG(status)).name
os.write(4, json.dumps({'code': code, 'modes': modes}).encode())
`;

const ending = z.object({
  /** The exit code, or the name of the signal. */
  code: z.union([z.number(), z.string()]),
  /** Whether the terminal echoes, and whether it reads lines, afterwards; null: it was hung up. */
  modes: z.object({ echo: z.boolean(), lines: z.boolean() }).nullable(),
});

/** A command on a terminal. */
export class TestTerminal {
  readonly screen: TerminalScreen;
  /** All output to the terminal. */
  written = '';
  /** The output to stderr, which is not a terminal. */
  stderr = '';
  /** How it ended. */
  readonly ended: Promise<z.output<typeof ending>>;
  private readonly child;

  constructor(
    args: readonly string[],
    {
      columns = 80,
      rows = 24,
      env = {},
    }: { readonly columns?: number; readonly rows?: number; readonly env?: NodeJS.ProcessEnv } = {},
  ) {
    this.screen = new TerminalScreen(columns, rows);
    const weldr = [process.execPath, ...commandFrom(), ...args];
    // The variables for colours that Node reads besides TERM; a CI runner sets some of them.
    const { NO_COLOR: _, FORCE_COLOR: __, NODE_DISABLE_COLORS: ___, CI: ____, ...inherited } = process.env;
    this.child = spawn('python3', ['-c', program, String(columns), String(rows), ...weldr], {
      cwd: tmpdir(),
      env: { ...inherited, TERM: 'xterm-256color', ...env },
      stdio: ['pipe', 'pipe', 'inherit', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.written += text;
      this.screen.write(text);
    });
    this.child.stdin?.on('error', () => {});
    const [, , , errors, report] = this.child.stdio;
    errors?.on('data', (data: Buffer) => {
      this.stderr += data;
    });
    let end = '';
    report?.on('data', (data: Buffer) => {
      end += data;
    });
    this.ended = once(this.child, 'close').then(() => ending.parse(JSON.parse(end)));
  }

  get text(): string {
    return this.screen.text.join('\n');
  }

  /** Waits until the screen matches; throws with the content of the screen. */
  async shows(pattern: RegExp, timeoutMs = 20_000): Promise<void> {
    try {
      await until(String(pattern), () => pattern.test(this.text), timeoutMs);
    } catch (thrown) {
      throw new Error(`${thrown}\n${this.text}\n${this.stderr}`);
    }
  }

  resize(columns: number, rows: number): void {
    this.screen.resize(columns, rows);
    this.tell({ size: [columns, rows] });
  }

  type(keys: string): void {
    this.tell({ keys });
  }

  signal(signal: NodeJS.Signals): void {
    this.tell({ signal });
  }

  /** Hangs the terminal up, as when its window is closed. */
  hangUp(): void {
    this.tell({ hangUp: true });
  }

  /** Kills the command if it still runs. */
  async end(): Promise<void> {
    this.child.stdin?.end();
    await this.ended.catch(() => {});
  }

  private tell(order: object): void {
    this.child.stdin?.write(`${JSON.stringify(order)}\n`);
  }
}
