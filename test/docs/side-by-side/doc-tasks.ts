// The tasks of a page of docs/ that compares another proxy's config with Weldr's: a heading each, and the blocks under it.
import { readFileSync } from 'node:fs';

/** A fenced block. */
export interface TaskBlock {
  /** Such as `nginx`. */
  readonly language: string;
  readonly text: string;
}

/** The content under one heading with blocks. */
export interface DocTask {
  readonly title: string;
  /** The first block: the other proxy's. */
  readonly peer: TaskBlock;
  /** The second block: Weldr's config, `ts` or `yaml`. */
  readonly weldr: TaskBlock;
  /** Further blocks, such as `sh`. */
  readonly more: readonly TaskBlock[];
  /** Its prose. */
  readonly text: string;
}

/** Returns all tasks of a page, given by its path in the project, in order, by title. */
export function docTasks(path: string): ReadonlyMap<string, DocTask> {
  const page = readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
  const tasks = new Map<string, DocTask>();
  for (const section of page.split(/^## /m).slice(1)) {
    const title = section.slice(0, section.indexOf('\n'));
    const [peer, weldr, ...more] = blocksOf(section);
    if (peer === undefined) continue;
    if (weldr === undefined) throw new Error(`${path}: "${title}" has one block`);
    tasks.set(title, { title, peer, weldr, more, text: section.replace(fences, '') });
  }
  return tasks;
}

/** Returns the entries of the table of contents: title and anchor. */
export function contentsOf(path: string): { title: string; anchor: string }[] {
  const page = readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
  const [head = ''] = page.split(/^## /m);
  return [...head.matchAll(/\[([^\]]+)\]\(#([\w-]+)\)/g)].map(([, title = '', anchor = '']) => ({
    title,
    anchor,
  }));
}

const fences = /^```(\w+)\n(.*?)^```$/gms;

function blocksOf(section: string): TaskBlock[] {
  return [...section.matchAll(fences)].map(([, language = '', text = '']) => ({ language, text }));
}
