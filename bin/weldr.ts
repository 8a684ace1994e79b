#!/usr/bin/env node
// The command `weldr`. It imports nothing before it has checked the version of Node: an older one cannot parse the rest.

/** The oldest Node that runs Weldr, as package.json has it under `engines`. */
const oldest = '22.19';

// By default this signal opens Node's debugger to every user of this machine.
process.on('SIGUSR1', () => {});

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const [oldestMajor = 0, oldestMinor = 0] = oldest.split('.').map(Number);
if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
  process.stderr.write(
    `weldr: Node ${process.versions.node} is too old: Weldr needs Node ${oldest} or newer, see https://nodejs.org/en/download\n`,
  );
  process.exitCode = 78;
} else {
  // Only for the published bundle: sources change too often.
  if (import.meta.url.endsWith('.js')) {
    const { useCompileCache } = await import('./compile-cache.ts');
    useCompileCache();
  }
  await import('./run.ts');
}

export {};
