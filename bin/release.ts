// `npm run release -- major|minor|patch`: releases what CHANGELOG.md lists as unreleased. Sets the version in package.json
// and its lock file, adds a heading with the date, commits and tags. Pushing the tag publishes the release.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const usage = 'usage: npm run release -- major|minor|patch';

try {
  const said = release(process.argv.slice(2));
  process.stdout.write(`${said}\n`);
} catch (thrown) {
  process.stderr.write(`release: ${thrown instanceof Error ? thrown.message : thrown}\n`);
  process.exitCode = 1;
}

/** Makes the release in the current folder. Returns what to do next. Throws, and changes nothing, if it cannot. */
function release(args: readonly string[]): string {
  const [step] = args;
  if (args.length !== 1 || step === undefined || !['major', 'minor', 'patch'].includes(step))
    throw new Error(usage);
  const branch = git('rev-parse', '--abbrev-ref', 'HEAD');
  if (branch !== 'main') throw new Error(`releases are made on main, but this is ${branch}`);
  const dirty = git('status', '--porcelain');
  if (dirty !== '') throw new Error(`commit or stash these changes first:\n${dirty}`);
  const changelog = readFileSync('CHANGELOG.md', 'utf8');
  const [, news = ''] = /^## Unreleased\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(changelog) ?? [];
  if (news.trim() === '') throw new Error('CHANGELOG.md lists nothing under "## Unreleased"');

  const version = npm('version', step, '--no-git-tag-version').replace(/^v/, '');
  const heading = `## ${version} (${new Date().toISOString().slice(0, 10)})`;
  writeFileSync('CHANGELOG.md', changelog.replace('## Unreleased\n', `## Unreleased\n\n${heading}\n`));
  git('commit', '--quiet', '--all', '--message', `Release ${version}`);
  git('tag', '--annotate', `v${version}`, '--message', `Weldr ${version}\n${news.trimEnd()}`);
  return `Weldr ${version} is committed and tagged. "git push --follow-tags" publishes it; to take it back: "git tag -d v${version} && git reset --hard HEAD~".`;
}

function git(...args: string[]): string {
  return run('git', args);
}

function npm(...args: string[]): string {
  return run('npm', args);
}

function run(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  } catch (thrown) {
    const said =
      thrown instanceof Error && 'stderr' in thrown ? String(thrown.stderr).trim() : String(thrown);
    throw new Error(`${command} ${args[0]} failed: ${said}`);
  }
}
