// ErrorPages: the pages of a config by status, and the response that replaces an error.
import { readFileSync, statSync } from 'node:fs';
import { describeError } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { type Reply, reply } from '../../core/request/reply.ts';
import { varyBy } from '../../core/request/vary.ts';
import { bestType } from './accept.ts';

/** The most bytes of one page: each error sends one. */
const maxBytes = 256 * 1024;

/** A page as written in a config: the text itself, or a file. */
export type PageSource = string | { readonly file: string };

/** The pages of one status, by media types in order. */
interface Page {
  readonly types: readonly string[];
  /** Values of Content-Type. */
  readonly contentTypes: readonly string[];
  readonly texts: readonly string[];
}

/** Returns the text of a page. Throws an Error that names the file and the remedy. */
export function textOf(source: PageSource): string {
  if (typeof source === 'string') return source;
  const { file } = source;
  try {
    if (statSync(file).size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new Error(
      `the page cannot be read: ${describeError(thrown)}; make ${file} a file that this user may read`,
    );
  }
}

/** Returns the statuses of a key: `404`, or `5xx`. */
function statusesOf(key: string): number[] {
  if (!key.endsWith('xx')) return [Number(key)];
  const first = Number(key[0]) * 100;
  return Array.from({ length: 100 }, (_, n) => first + n);
}

/** gRPC clients read their own status, into which Weldr turns the error. */
const grpc = /^application\/grpc(?![\w-])/i;

/** Fields about the replaced body. */
const ofTheBody =
  /^(?:content-(?!security-policy)|etag$|last-modified$|accept-ranges$|(?:repr-)?digest$|trailer$)/i;

/** The pages of a config, by statuses. */
export class ErrorPages {
  private readonly pages = new Map<number, Page>();

  /** @param given for each key, such as `404` or `5xx`, the text of each media type */
  constructor(given: Readonly<Record<string, Readonly<Record<string, string>>>>) {
    // A single status takes precedence over a class, wherever it is listed.
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

  /** Returns the response that replaces the current one; undefined: it stays. */
  insteadOf({ request, response }: ProxyContext): Reply | undefined {
    const page = response === undefined ? undefined : this.pages.get(response.status);
    if (page === undefined || response === undefined || grpc.test(request.headers.get('content-type') ?? ''))
      return undefined;
    const at = bestType(request.headers.getAll('accept').join(), page.types);
    const text = page.texts[at];
    if (text === undefined) return undefined;
    // Fields that the status requires stay: WWW-Authenticate, Retry-After, Allow.
    const fields = [...response.headers].filter(([name]) => !ofTheBody.test(name));
    const body = text.replaceAll('{status}', String(response.status));
    return reply(response.status, body, [...fields, ['Content-Type', page.contentTypes[at] ?? '']]);
  }

  /** Adds what the choice depends on to Vary. */
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
