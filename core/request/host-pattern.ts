// HostPattern: a host as a config names it, matched against requests.
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { NetworkSet } from '../network/network.ts';

const name = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/i;

/** The mistake in a host pattern, in a sentence that names it and the remedy; undefined: none. */
export function hostProblem(pattern: unknown): string | undefined {
  if (typeof pattern !== 'string') return 'expected a host such as "shop.example"';
  const quoted = JSON.stringify(pattern);
  if (pattern.length > 255) return 'a host is longer than 255 characters: write a shorter one';
  if (name.test(pattern) || bracketed(pattern) !== undefined) return undefined;
  if (isIP(pattern) === 6) return `the host ${quoted} needs brackets: write "[${pattern}]"`;
  if (/:\d*$/.test(pattern)) return `the host ${quoted} has a port: leave it out`;
  if (pattern.includes('*'))
    return `the host ${quoted} has a * that is not its first label: write one such as "*.example.com"`;
  const ascii = /[^\0-\x7f]/.test(pattern) ? domainToASCII(pattern) : '';
  if (ascii !== '') return `the host ${quoted} is not in ASCII: write "${ascii}"`;
  return `expected a host such as "shop.example" or "*.shop.example", got ${quoted}`;
}

function bracketed(text: string): string | undefined {
  const address = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : '';
  return isIP(address) === 6 ? address : undefined;
}

/** The normal form of a host, `NAME` or `NAME:PORT`: lower case, without the port and a trailing dot. */
export function hostName(host: string): string {
  return host.toLowerCase().replace(/\.?(?::\d*)?$/, '');
}

/** A compiled host pattern, which {@link hostProblem} found valid. */
export class HostPattern {
  /** In lower case; `.example.com` for `*.example.com`. */
  private readonly folded: string;
  private readonly isSuffix: boolean;
  /** An IPv6 address, which may be written in many ways. */
  private readonly address: NetworkSet | undefined;

  constructor(pattern: string) {
    const address = bracketed(pattern);
    this.address = address === undefined ? undefined : new NetworkSet([address]);
    this.isSuffix = pattern.startsWith('*.');
    this.folded = pattern
      .slice(this.isSuffix ? 1 : 0)
      .replace(/\.$/, '')
      .toLowerCase();
  }

  /** Returns whether the host of a request, `NAME` or `NAME:PORT`, matches. Case, port and a trailing dot do not matter. */
  matches(host: string): boolean {
    if (host.startsWith('[')) return this.address?.has(host.slice(1, host.indexOf(']'))) ?? false;
    const { folded } = this;
    let end = host.indexOf(':');
    if (end < 0) end = host.length;
    if (host.charCodeAt(end - 1) === 0x2e) end--;
    const start = end - folded.length;
    if (this.isSuffix ? start < 1 : start !== 0) return false;
    for (let i = 0; i < folded.length; i++) {
      let code = host.charCodeAt(start + i);
      if (code >= 0x41 && code <= 0x5a) code |= 0x20;
      if (code !== folded.charCodeAt(i)) return false;
    }
    return true;
  }
}
