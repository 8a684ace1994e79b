// The routes of the page's files, and the headers that keep other pages and foreign scripts out.
import type { AdminAnswer, AdminRoutes } from '../../core/plugin/admin.ts';
import type { PageFile } from './page-files.ts';

/** Only the page's own files run, and they contact only their own origin. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const guards: Readonly<Record<string, string>> = {
  'Content-Security-Policy': policy,
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
};

const unbuilt: PageFile = {
  path: '',
  contentType: 'text/plain; charset=utf-8',
  bytes: Buffer.from(
    'The dashboard is not built. Run `npm run build:dashboard` in the checkout, then restart.\n',
  ),
};

/** Adds a route for each file below `path`. */
export function addPageRoutes(admin: AdminRoutes, path: string, files: readonly PageFile[]): void {
  const isBuilt = files.length > 0;
  for (const file of isBuilt ? files : [unbuilt]) {
    const answer = answerOf(file, isBuilt ? 200 : 503);
    admin.add({
      method: 'GET',
      path: `${path}${file.path}`,
      access: 'everybody',
      ...(file.path === '' && { rel: 'dashboard', summary: 'The dashboard, a web page' }),
      handle: () => answer,
    });
  }
}

function answerOf({ path, contentType, bytes }: PageFile, status: number): AdminAnswer {
  // The name of a built file changes with its contents.
  const caching = path === '' ? 'no-store' : 'public, max-age=31536000, immutable';
  return { status, body: bytes, contentType, headers: { ...guards, 'Cache-Control': caching } };
}
