// OriginList: the origins that a config allows.

/** Longer than any origin: a name of 253 characters, a scheme and a port. */
const maxLength = 320;

const written =
  /^([a-z][a-z0-9+.-]*):\/\/(\*\.)?((?:[a-z0-9_-]+\.)*[a-z0-9_-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i;
const expression = /^\/(.+)\/(i?)$/s;

/** Any origin. */
export const anyOrigin = '*';
/** The origin of sandboxed frames, of files and of some redirects: any page can have it. */
export const nullOrigin = 'null';

/** Returns what is wrong with an entry, with the remedy; undefined: nothing. */
export function originProblem(text: string): string | undefined {
  if (text === anyOrigin || text === nullOrigin) return undefined;
  if (text.length > 1024) return 'an origin is longer than 1024 characters: write a shorter one';
  const [, source, flags] = expression.exec(text) ?? [];
  if (source !== undefined) return expressionProblem(source, flags ?? '');
  if (!written.test(text)) {
    const hint = /^https?:\/\/[^/]+\/$/i.test(text) ? `: write "${text.slice(0, -1)}"` : '';
    return `expected an origin such as "https://shop.example" or "https://*.shop.example", got ${JSON.stringify(text)}${hint}`;
  }
  return undefined;
}

function expressionProblem(source: string, flags: string): string | undefined {
  try {
    new RegExp(source, flags);
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

/** Compiled origins, from texts that {@link originProblem} finds no problem with. */
export class OriginList {
  /** Whether all origins get the same answer. */
  readonly takesAny: boolean;
  private readonly exact = new Set<string>();
  private readonly patterns: RegExp[] = [];

  constructor(texts: readonly string[]) {
    this.takesAny = texts.includes(anyOrigin);
    for (const text of texts) this.add(text);
  }

  private add(text: string): void {
    const [, source, flags = ''] = expression.exec(text) ?? [];
    // The whole origin must match, or https://shop.example.evil.test would match /https:\/\/shop\.example/.
    if (source !== undefined) this.patterns.push(new RegExp(`^(?:${source})$`, flags));
    const [, scheme = '', wildcard, host = '', port = ''] = written.exec(text.toLowerCase()) ?? [];
    if (text === nullOrigin) this.exact.add(text);
    if (host === '') return;
    const shownPort = isDefaultPort(scheme, port) ? '' : port;
    if (wildcard === undefined) this.exact.add(`${scheme}://${host}${shownPort}`);
    else {
      this.patterns.push(
        new RegExp(`^${escaped(scheme)}://(?:[a-z0-9_-]+\\.)+${escaped(host + shownPort)}$`),
      );
    }
  }

  /** Whether this origin, as a request names it, is allowed. */
  has(origin: string): boolean {
    if (origin.length > maxLength) return false;
    if (this.takesAny) return true;
    return this.exact.has(origin) || (origin !== nullOrigin && this.patterns.some(each => each.test(origin)));
  }
}

/** Origins omit a default port (RFC 6454 section 6.2). */
function isDefaultPort(scheme: string, port: string): boolean {
  return (scheme === 'https' && port === ':443') || (scheme === 'http' && port === ':80');
}

const escaped = (text: string): string => text.replace(/[.+[\]]/g, '\\$&');
