// BuiltPackage: the package `weldr` as it is published, bundled into a folder, so that what tests start is what users run.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The command that bundles a project into the folder of a package. */
export function bundleCommand(folder: string): [command: string, args: string[]] {
  return ['npm', ['run', '-s', 'bundle', '--', '--dir', join(folder, 'dist')]];
}

/** What a bundle does not have in it and the package has. */
export function completePackage(project: string, folder: string): void {
  cpSync(join(project, 'package.json'), join(folder, 'package.json'));
}

/** Bundles a project into a temporary folder, for all that this process starts until it ends. Throws when that fails. */
export function buildForThisProcess(project: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-package-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const [command, args] = bundleCommand(folder);
  execFileSync(command, args, { cwd: project, stdio: ['ignore', 'ignore', 'pipe'] });
  completePackage(project, folder);
  // npm installs beside it what it needs.
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
  process.env['TEST_PACKAGE'] = folder;
  // What it compiles is of no use to a package in another folder.
  process.env['CACHE_DIRECTORY'] = join(folder, 'cache');
}
