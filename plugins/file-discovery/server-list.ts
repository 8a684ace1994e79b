// ServerList: parses the text of a file: Weldr's own entries, and groups as in Prometheus' file_sd_config.
import { EVENT_ID, type Event, load, parseEvents } from 'js-yaml';
import { z } from 'zod';
import { describeError, toError, WeldrError } from '../../core/errors.ts';
import { jsonFaultAt } from '../../core/options/json-fault.ts';
import { parse, showInput } from '../../core/options/options.ts';
import type { ServerInput } from '../../core/pool/server-definition.ts';

/** The servers of a file. */
export interface ServerList {
  readonly servers: readonly ServerInput[];
  /** Explains an error of `DiscoverySource.replace`, with the line of the file. */
  explain(thrown: unknown): string;
}

/** How to read a file. */
export interface ServerListOptions {
  /** Follows from its name. */
  readonly format: 'json' | 'yaml';
  /** The scheme of targets, which are HOST:PORT. */
  readonly scheme: 'http' | 'https' | 'h2c';
}

/** The most YAML aliases: enough to write repeated labels once. */
const maxAliases = 1000;

const group = z.strictObject({
  targets: z.array(z.string().min(1).max(2048)),
  labels: z.record(z.string(), z.string()).default({}),
});

/** Reads the text of a file. Throws an Error that names the line of the mistake. */
export function readServerList(text: string, options: ServerListOptions): ServerList {
  const entries = entriesOf(text.replace(/^\uFEFF/, ''), options.format);
  const servers: ServerInput[] = [];
  /** The index of the entry that each server comes from. */
  const origins: number[] = [];
  for (const [index, entry] of entries.entries()) {
    try {
      for (const server of serversOf(entry, options)) {
        servers.push(server);
        origins.push(index);
      }
    } catch (thrown) {
      throw new Error(`${placeOf(text, index)}: ${describeError(thrown)}`);
    }
  }
  return {
    servers,
    explain(thrown) {
      const message = describeError(thrown);
      const field = thrown instanceof WeldrError ? thrown.field : undefined;
      const [, at = ''] = /^servers\[(\d+)\]/.exec(field ?? '') ?? [];
      const origin = at === '' ? undefined : origins[Number(at)];
      if (origin === undefined) return message;
      return `${placeOf(text, origin)}: ${message.replaceAll(`servers[${at}].`, '').replace(`servers[${at}]: `, '')}`;
    },
  };
}

function entriesOf(text: string, format: 'json' | 'yaml'): readonly unknown[] {
  if (text.replaceAll(/^\s*#.*$/gm, '').trim() === '')
    throw new Error('it is empty; a list without servers is written []');
  const data = format === 'json' ? fromJson(text) : fromYaml(text);
  if (Array.isArray(data)) return data;
  throw new Error(
    `expected a list of servers, such as ["http://10.0.0.5:3000"], or of targets and labels, got ${showInput(data)}`,
  );
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const why = describeError(thrown)
      .replace(/( in JSON| after JSON)? at position .*$/s, '')
      .replace(/, (\.\.\.)?".*" is not valid JSON$/s, '');
    throw new Error(`line ${lineAt(text, jsonFaultAt(text))}: ${why}`);
  }
}

function fromYaml(text: string): unknown {
  try {
    return load(text, { maxAliases });
  } catch (thrown) {
    const error = toError(thrown);
    const reason = 'reason' in error ? String(error.reason) : error.message;
    const position: unknown = 'mark' in error ? Reflect.get(Object(error.mark), 'position') : undefined;
    if (typeof position !== 'number') throw new Error(reason);
    throw new Error(`line ${lineAt(text, position)}: ${reason}`);
  }
}

function serversOf(entry: unknown, { scheme }: ServerListOptions): ServerInput[] {
  if (typeof entry === 'string') return [entry];
  if (typeof entry !== 'object' || entry === null || !('targets' in entry)) {
    // The receiver reports mistakes.
    return [entry as ServerInput];
  }
  const { targets, labels } = parse(group, entry, 'INPUT_INVALID');
  // Labels with __ are for Prometheus only, and empty ones do not count there.
  const kept = Object.entries(labels).filter(([name, value]) => !name.startsWith('__') && value !== '');
  const named = kept.length === 0 ? {} : { labels: Object.fromEntries(kept) };
  return targets.map(target => ({ url: urlOf(target, scheme), ...named }));
}

function urlOf(target: string, scheme: string): string {
  return /^[a-z0-9]+:\/\//i.test(target) ? target : `${scheme}://${target}`;
}

// --- lines -----------------------------------------------------------------------------------------------------

/** Returns `line 7`, where the entry of this index begins. */
function placeOf(text: string, index: number): string {
  const position = entryAt(text, index);
  return position === undefined ? `entry ${index + 1}` : `line ${lineAt(text, position)}`;
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length;
}

/** Returns where an entry of the list begins. All JSON is YAML. */
function entryAt(text: string, index: number): number | undefined {
  try {
    let depth = 0;
    let entry = -1;
    for (const event of parseEvents(text, {})) {
      if (event.type === EVENT_ID.POP) {
        depth--;
        continue;
      }
      // Within the document and its list.
      if (depth === 2 && ++entry === index) return startOf(event);
      if (opens(event)) depth++;
    }
  } catch {
    // Text that is valid JSON but not valid YAML, such as one with a tab.
  }
  return undefined;
}

function opens({ type }: Event): boolean {
  return type === EVENT_ID.DOCUMENT || type === EVENT_ID.SEQUENCE || type === EVENT_ID.MAPPING;
}

function startOf(event: Event): number | undefined {
  if (event.type === EVENT_ID.SCALAR) return event.valueStart;
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart;
  return event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE ? event.start : undefined;
}
