// Request targets and Host: which forms are taken (RFC 9112 section 3.2), and what an authority may look like.
import { isToken } from '../../request/headers.ts';
import { targetChar } from './grammar.ts';

// One registered name, IPv4 address or bracketed IPv6 address, and a port. Stricter than RFC 3986: no sub-delims and
// no percent-encoding, which two parsers could read as different hosts.
const authority = /^(?:[a-z0-9_](?:[a-z0-9._~-]*[a-z0-9_.])?|\[[0-9a-f:.]*:[0-9a-f:.]*\])(?::(\d{1,5}))?$/i;

/** A name of 255 characters and a port; longer ones would only cost time to match. */
const maxAuthority = 261;

/** Is it a host, with or without a port, that can mean only one thing? */
export function isAuthority(text: string): boolean {
  const match = text.length > maxAuthority ? null : authority.exec(text);
  if (match === null) return false;
  return match[1] === undefined || Number(match[1]) <= 65535;
}

/** Can a request begin with these: a method other than CONNECT, and a target in origin-form or `*`? */
export function isRequestLine(method: string, target: string): boolean {
  if (!isToken(method) || method === 'CONNECT') return false;
  if (target === '*') return method === 'OPTIONS';
  if (!target.startsWith('/')) return false;
  for (let i = 0; i < target.length; i++) if (targetChar[target.charCodeAt(i)] !== 1) return false;
  return true;
}

/** Parts of an absolute-form target; undefined when it is none that Weldr takes (http or https, no user). */
export function splitAbsolute(
  target: string,
): { scheme: string; authority: string; rest: string } | undefined {
  const match = /^(https?):\/\/([^/?@]+)([/?].*)?$/i.exec(target);
  if (match === null) return undefined;
  const rest = match[3] ?? '';
  return {
    scheme: (match[1] ?? '').toLowerCase(),
    authority: match[2] ?? '',
    rest: rest.startsWith('?') ? `/${rest}` : rest,
  };
}
