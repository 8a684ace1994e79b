// HostKey: a host condition of a route, in the form that the index uses.
import { HostPattern } from '../../core/request/host-pattern.ts';
import { expressionOf } from './expression.ts';

/** One of a route's hosts. */
export type HostKey =
  | { readonly kind: 'name'; readonly name: string }
  /** An IPv6 address, which has several spellings. */
  | { readonly kind: 'address'; readonly address: string; readonly pattern: HostPattern }
  /** For `*.shop.example`: `.shop.example`. */
  | { readonly kind: 'below'; readonly suffix: string }
  | { readonly kind: 'expression'; readonly expression: RegExp }
  | { readonly kind: 'any' };

/** Returns the key of a host as written in a route; undefined: any host. */
export function hostKey(host: string | RegExp | undefined): HostKey {
  if (host === undefined) return { kind: 'any' };
  const expression = expressionOf(host);
  if (expression !== undefined) {
    const flags = expression.flags.includes('i') ? expression.flags : `${expression.flags}i`;
    return { kind: 'expression', expression: new RegExp(expression.source, flags) };
  }
  const name = String(host).toLowerCase().replace(/\.$/, '');
  if (name.startsWith('[')) return { kind: 'address', address: name, pattern: new HostPattern(name) };
  return name.startsWith('*.') ? { kind: 'below', suffix: name.slice(1) } : { kind: 'name', name };
}

const kinds = { name: 0, address: 0, below: 1, expression: 2, any: 3 };

/** Less than 0: `a` is more specific than `b` and comes first. */
export function compareHosts(a: HostKey, b: HostKey): number {
  if (a.kind === 'below' && b.kind === 'below') return b.suffix.length - a.suffix.length;
  return kinds[a.kind] - kinds[b.kind];
}

/** Returns where the host ends in `NAME` or `NAME:PORT`, without a trailing dot. */
export function hostEnd(host: string): number {
  let end = host.length;
  let at = end - 1;
  while (at >= 0 && isDigit(host.charCodeAt(at))) at--;
  if (host.charCodeAt(at) === colon) end = at;
  return host.charCodeAt(end - 1) === dot ? end - 1 : end;
}

const colon = 0x3a;
const dot = 0x2e;

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
