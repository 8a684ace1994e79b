// Warns of secrets that other users of the machine can read.
import { statSync } from 'node:fs';
import { fileOfSecret } from '../options/secret.ts';
import type { PluginInstance } from '../plugin/plugin-instance.ts';

/** Bit of a mode that lets every user read. */
const readableByAll = 0o004;
const maxDepth = 4;

/** Returns a warning for each file that options name with `file:` and every user can read. */
export function* secretWarnings(plugins: readonly PluginInstance[]): Generator<string> {
  for (const { plugin, at } of plugins) yield* warningsIn(plugin.options, at, 0);
}

function* warningsIn(value: unknown, at: string, depth: number): Generator<string> {
  if (typeof value === 'string') {
    const path = fileOfSecret(value);
    if (path !== undefined && isOpen(path)) {
      yield `${at}: ${path} can be read by every user of this machine: run chmod o= on it`;
    }
  } else if (typeof value === 'object' && value !== null && depth < maxDepth) {
    for (const [key, inner] of Object.entries(value)) {
      const place = Array.isArray(value) ? `${at}[${key}]` : `${at}.${key}`;
      yield* warningsIn(inner, place, depth + 1);
    }
  }
}

function isOpen(path: string): boolean {
  try {
    return (statSync(path).mode & readableByAll) !== 0;
  } catch {
    return false;
  }
}
