// Start outlook: why a start would fail on this machine now, as far as can be seen without opening anything.
import { accessSync, constants, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { ListenTarget } from '../settings/listen.ts';
import type { Settings } from '../settings/settings.ts';

/** Folders that a service manager creates at the start. */
const madeAtStart = /^\/(?:var\/)?run\//;

/** Returns why a start would fail, a sentence for each reason. The check may run on another machine than the start. */
export function startOutlook({ listen, log }: Settings): string[] {
  const addresses = ownAddresses();
  const problems = listen.flatMap(({ target, address }, index) => {
    const why = targetProblem(target, addresses);
    return why === undefined ? [] : [`listen[${index}]: a start would fail because ${why}: ${address}`];
  });
  const why = log.file === undefined ? undefined : fileProblem(log.file);
  return why === undefined ? problems : [...problems, `log.file: a start would fail because ${why}`];
}

function targetProblem(target: ListenTarget, addresses: ReadonlySet<string>): string | undefined {
  if (target.kind === 'unix') {
    return madeAtStart.test(target.path) ? undefined : folderProblem(dirname(target.path));
  }
  const { host } = target;
  if (isIP(host) === 0 || host === '0.0.0.0' || host === '::' || host.startsWith('127.')) return undefined;
  return addresses.has(host) ? undefined : 'this machine has no such address';
}

function ownAddresses(): ReadonlySet<string> {
  return new Set(Object.values(networkInterfaces()).flatMap(all => all?.map(({ address }) => address) ?? []));
}

function fileProblem(file: string): string | undefined {
  const path = resolve(file);
  try {
    if (statSync(path).isDirectory()) return `${path} is a folder`;
    return unwritable(path);
  } catch {
    return folderProblem(dirname(path));
  }
}

function folderProblem(folder: string): string | undefined {
  try {
    if (!statSync(folder).isDirectory()) return `${folder} is not a folder`;
    return unwritable(folder);
  } catch {
    return `there is no folder ${folder}`;
  }
}

function unwritable(path: string): string | undefined {
  try {
    accessSync(path, constants.W_OK);
    return undefined;
  } catch {
    return `this user may not write to ${path}`;
  }
}
