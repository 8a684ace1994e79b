// The code blocks of a Markdown file, written to a folder where they resolve `weldr` as an installed package.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const project = resolve(fileURLToPath(import.meta.url), '../../..');
const run = promisify(execFile);

/** Returns the fenced blocks of a language, in order, without the fences. */
export function codeBlocks(markdown: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms');
  return [...markdown.matchAll(fence)].map(match => match[1] ?? '');
}

/** Returns the name in a block's first line, `// name.ts`; undefined if it has none. */
export function fileNameOf(block: string): string | undefined {
  return /^\/\/ ([\w./-]+\.ts)$/m.exec(block.split('\n')[0] ?? '')?.[1];
}

/** A folder outside the project, with the project as its package `weldr`. */
export class DocFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'weldr-docs-'));

  constructor() {
    mkdirSync(join(this.path, 'node_modules'));
    symlinkSync(project, join(this.path, 'node_modules/weldr'));
    for (const name of ['zod', '@types']) {
      symlinkSync(join(project, 'node_modules', name), join(this.path, 'node_modules', name));
    }
    this.write('package.json', '{ "type": "module" }');
    this.write(
      'tsconfig.json',
      JSON.stringify({
        extends: join(project, 'tsconfig.json'),
        include: ['**/*.ts'],
        exclude: ['node_modules'],
      }),
    );
  }

  /** Writes a file and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Checks the types of all files, as strictly as the project's own. Throws with the compiler's output. */
  async checkTypes(): Promise<void> {
    try {
      await run(join(project, 'node_modules/.bin/tsc'), ['--noEmit', '-p', this.path]);
    } catch (thrown) {
      const output = thrown instanceof Error && 'stdout' in thrown ? String(thrown.stdout) : String(thrown);
      throw new Error(`the examples do not type-check:\n${output}`);
    }
  }

  /** Runs a test file of Node's test runner. Returns how many tests passed; throws if it fails. */
  async runTests(name: string): Promise<number> {
    const args = ['-C', 'weldr-source', '--test-reporter=tap', join(this.path, name)];
    const { stdout } = await run(process.execPath, args).catch(error => {
      throw new Error(`${name} failed:\n${error.stdout}${error.stderr}`);
    });
    return Number(/^# pass (\d+)$/m.exec(stdout)?.[1] ?? 0);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
