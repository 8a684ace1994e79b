// The links of the documentation: finds broken ones, in a checkout or in the published package.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

const root = new URL('../../', import.meta.url);
const fences = /^```\w*\n.*?^```$/gms;

/** The pages of the documentation: paths from the project's root. */
export const pages: readonly string[] = globSync(
  ['*.md', 'docs/**/*.md', 'packaging/**/*.md', 'plugins/*/README.md'],
  {
    cwd: root,
  },
).sort();

/** Returns the anchor that GitHub makes from a heading. */
export function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

/** Returns the links of a page, given by its path, to missing files and headings. */
export function brokenLinks(page: string): string[] {
  return linksOf(page).filter(link => {
    const { path, anchor } = targetOf(page, link);
    if (!existsSync(new URL(path, root))) return true;
    return anchor !== undefined && path.endsWith('.md') && !headingsOf(path).includes(anchor);
  });
}

/** Returns the links of a page to files that exist, but not in the package. */
export function unpublishedLinks(page: string): string[] {
  const { files }: { files: string[] } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  const published = ['README.md', 'package.json', ...files];
  return linksOf(page).filter(link => {
    const { path } = targetOf(page, link);
    return !published.some(
      pattern => path === pattern || path.startsWith(`${pattern}/`) || posix.matchesGlob(path, pattern),
    );
  });
}

/** Returns the paths of sources, such as `core/errors.ts`, that a page names but the project does not have. */
export function missingSources(page: string): string[] {
  const text = readFileSync(new URL(page, root), 'utf8').replace(fences, '');
  return [...text.matchAll(/`((?:bin|config|core|plugins|test)\/[\w./-]+\.ts)`/g)]
    .map(([, path = '']) => path)
    .filter(path => !existsSync(new URL(path, root)));
}

/** Returns the relative links and sources of pictures, outside code blocks. */
function linksOf(page: string): string[] {
  const text = readFileSync(new URL(page, root), 'utf8').replace(fences, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)|\b(?:src|srcset|href)="([^"]+)"/g)]
    .map(([, link, attribute]) => link ?? attribute ?? '')
    .filter(link => !/^[a-z]+:/i.test(link));
}

function targetOf(page: string, link: string): { path: string; anchor: string | undefined } {
  const [file = '', anchor] = link.split('#');
  return { path: file === '' ? page : posix.join(posix.dirname(page), file), anchor };
}

function headingsOf(page: string): string[] {
  const text = readFileSync(new URL(page, root), 'utf8').replace(fences, '');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => anchorOf(title));
}
