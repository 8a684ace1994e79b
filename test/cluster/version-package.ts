// VersionPackage: the package `weldr` as npm installs it, of an earlier revision or of the working tree, to upgrade from one to
// the other.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const project = resolve(import.meta.dirname, '../..');

/** One of the two versions. */
export type PackageVersion = 'earlier' | 'later';

/** The variable that names another earlier revision. */
const revisionVariable = 'WELDR_EARLIER_REVISION';
/** How many commits to go back without a tag: enough for formats and files of the package to differ. */
const wayBack = 50;

/**
 * Returns the commit of the earlier version: from the environment, else the newest tag before this commit, which operators run,
 * else the fiftieth commit before it. Undefined: there is none, as in a clone without history.
 */
export function earlierRevision(): string | undefined {
  const named = process.env[revisionVariable];
  if (named !== undefined) return commitOf(named);
  const tag = git('describe', '--tags', '--abbrev=0', 'HEAD^');
  return commitOf(tag ?? `HEAD~${wayBack}`);
}

/** Returns why no earlier version can be built here; undefined: one can. */
export function whyNoEarlierVersion(): string | undefined {
  if (earlierRevision() !== undefined) return undefined;
  const named = process.env[revisionVariable];
  return named === undefined
    ? `the repository has no tag and no ${wayBack} commits here, so there is no earlier version to build (fetch its history, or set ${revisionVariable})`
    : `the repository has no commit ${named} here (${revisionVariable})`;
}

function commitOf(name: string): string | undefined {
  return git('rev-parse', '--verify', '--quiet', `${name}^{commit}`);
}

function git(...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, {
      cwd: project,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

/** Builds both versions. Remove them at the end. */
export class VersionPackages {
  private readonly folder = mkdtempSync(join(tmpdir(), 'weldr-versions-'));

  /** Throws if one cannot be built; see {@link whyNoEarlierVersion}. */
  constructor() {
    const sources = join(this.folder, 'sources');
    mkdirSync(sources);
    const tree = execFileSync('git', ['archive', earlierRevision() ?? 'HEAD'], {
      cwd: project,
      maxBuffer: 2 ** 30,
    });
    execFileSync('tar', ['-x', '-C', sources], { input: tree });
    symlinkSync(join(project, 'node_modules'), join(sources, 'node_modules'));
    this.build('earlier', sources);
    this.build('later', project);
    rmSync(sources, { recursive: true });
  }

  /** Returns the version as in `GET /overview`, the log and `weldr --version`. */
  versionOf(which: PackageVersion): string {
    return JSON.parse(readFileSync(join(this.folder, which, 'package.json'), 'utf8')).version;
  }

  /** Installs a version into a folder as `npm install` does, which removes the files of the other one. */
  install(which: PackageVersion, folder: string): void {
    const place = join(folder, 'node_modules/weldr');
    rmSync(place, { recursive: true, force: true });
    cpSync(join(this.folder, which), place, { recursive: true, verbatimSymlinks: true });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Builds a version. Both use the dependencies of the working tree, as installing others takes minutes. */
  private build(which: PackageVersion, sources: string): void {
    const place = join(this.folder, which);
    execFileSync(join(project, 'node_modules/.bin/rolldown'), ['-c', '--dir', join(place, 'dist')], {
      cwd: sources,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const manifest = JSON.parse(readFileSync(join(sources, 'package.json'), 'utf8'));
    manifest.version = which === 'earlier' ? '0.0.1' : '0.0.2';
    writeFileSync(join(place, 'package.json'), JSON.stringify(manifest));
    symlinkSync(join(project, 'node_modules'), join(place, 'node_modules'));
  }
}

/** Returns Node's arguments for the command of the package that is installed in a folder. */
export function installedCommand(folder: string): readonly string[] {
  return [join(folder, 'node_modules/weldr/dist/bin/weldr.js')];
}
