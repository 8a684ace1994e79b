// BuiltPackage: the published package `weldr`, bundled into a folder, so that tests start what users run.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Returns the command that bundles a project into the folder of a package. */
export function bundleCommand(folder: string): [command: string, args: string[]] {
  return ['npm', ['run', '-s', 'bundle', '--', '--dir', join(folder, 'dist')]];
}

/** Adds the files of the package that are not in the bundle. */
export function completePackage(project: string, folder: string): void {
  cpSync(join(project, 'package.json'), join(folder, 'package.json'));
}

/** Bundles a project into a temporary folder, for the processes that this one starts. Throws if that fails. */
export function buildForThisProcess(project: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-package-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const [command, args] = bundleCommand(folder);
  execFileSync(command, args, { cwd: project, stdio: ['ignore', 'ignore', 'pipe'] });
  completePackage(project, folder);
  // Its dependencies, which npm would install beside it.
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
  process.env['TEST_PACKAGE'] = folder;
  // Compiled code is of no use after this package: keep it out of the user's cache.
  process.env['CACHE_DIRECTORY'] = join(folder, 'cache');
}
