// ErrorPages: the pages of a config by status, and the response that one makes of another.
import { readFileSync, statSync } from 'node:fs';
import { describeError } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { type Reply, reply } from '../../core/request/reply.ts';
import { varyBy } from '../../core/request/vary.ts';
import { bestType } from './accept.ts';

/** Bytes of one page: each error sends one. */
const maxBytes = 256 * 1024;

/** A page as a config names it: the text itself, or a file. */
export type PageSource = string | { readonly file: string };

/** What is said of one status, by media types in order. */
interface Page {
  readonly types: readonly string[];
  /** As Content-Type has them. */
  readonly contentTypes: readonly string[];
  readonly texts: readonly string[];
}

/** The text of a page. Throws an Error that names the file and the remedy. */
export function textOf(source: PageSource): string {
  if (typeof source === 'string') return source;
  const { file } = source;
  try {
    if (statSync(file).size > maxBytes) throw new Error(`it has over ${maxBytes} bytes`);
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new Error(
      `the page cannot be read: ${describeError(thrown)}; make ${file} a file that this user may read`,
    );
  }
}

/** The statuses that a key names: `404`, or `5xx`. */
function statusesOf(key: string): number[] {
  if (!key.endsWith('xx')) return [Number(key)];
  const first = Number(key[0]) * 100;
  return Array.from({ length: 100 }, (_, n) => first + n);
}

/** Its clients read a status of their own, which Weldr makes of the error. */
const grpc = /^application\/grpc(?![\w-])/i;

/** Fields that are about the body which was there before. */
const ofTheBody =
  /^(?:content-(?!security-policy)|etag$|last-modified$|accept-ranges$|(?:repr-)?digest$|trailer$)/i;

/** The pages of a config, by statuses. */
export class ErrorPages {
  private readonly pages = new Map<number, Page>();

  /** @param given texts by media types, by keys such as `404` and `5xx` */
  constructor(given: Readonly<Record<string, Readonly<Record<string, string>>>>) {
    // One status is closer than all of a kind, wherever it stands.
    const keys = Object.keys(given).sort((a, b) => Number(b.endsWith('xx')) - Number(a.endsWith('xx')));
    for (const key of keys) {
      const texts = given[key] ?? {};
      const page = {
        types: Object.keys(texts).map(type => (type.split(';')[0] ?? '').trim().toLowerCase()),
        contentTypes: Object.keys(texts).map(contentType),
        texts: Object.values(texts),
      };
      for (const status of statusesOf(key)) this.pages.set(status, page);
    }
  }

  /** The response in place of the one that is there; undefined: it stays. */
  insteadOf({ request, response }: ProxyContext): Reply | undefined {
    const page = response === undefined ? undefined : this.pages.get(response.status);
    if (page === undefined || response === undefined || grpc.test(request.headers.get('content-type') ?? ''))
      return undefined;
    const at = bestType(request.headers.getAll('accept').join(), page.types);
    const text = page.texts[at];
    if (text === undefined) return undefined;
    // Among them are those that the status needs: WWW-Authenticate, Retry-After, Allow.
    const fields = [...response.headers].filter(([name]) => !ofTheBody.test(name));
    const body = text.replaceAll('{status}', String(response.status));
    return reply(response.status, body, [...fields, ['Content-Type', page.contentTypes[at] ?? '']]);
  }

  /** Says what the choice depends on. */
  vary({ response }: ProxyContext): void {
    if (response === undefined) return;
    const page = this.pages.get(response.status);
    if (page !== undefined && page.types.length > 1) varyBy(response.headers, 'Accept');
  }
}

/** Texts are UTF-8. */
function contentType(type: string): string {
  return type.includes(';') || !type.toLowerCase().startsWith('text/') ? type : `${type}; charset=utf-8`;
}
