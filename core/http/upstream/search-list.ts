// The search list of /etc/resolv.conf: which names to look up for a short one such as `api` (resolv.conf(5)).
import { hostname } from 'node:os';

/** How short names are completed. */
export interface SearchList {
  readonly domains: readonly string[];
  /** A name with this many dots is looked up unchanged before a domain is appended. */
  readonly dots: number;
}

const maxDomains = 16;
const maxDots = 15;

/** Parses the text of a resolv.conf. If it has no list, the list is this host's domain. */
export function parseSearchList(text: string): SearchList {
  const own = hostname().split('.').slice(1).join('.');
  let domains = own === '' ? [] : [own];
  let dots = 1;
  for (const line of text.split('\n')) {
    const [word, ...values] = line.trim().split(/\s+/);
    if (word === 'domain') domains = values.slice(0, 1);
    if (word === 'search') domains = values.slice(0, maxDomains);
    if (word !== 'options') continue;
    for (const option of values) {
      const [, count] = /^ndots:(\d+)$/.exec(option) ?? [];
      if (count !== undefined) dots = Math.min(Number(count), maxDots);
    }
  }
  return { domains: domains.map(domain => domain.replace(/\.$/, '')).filter(domain => domain !== ''), dots };
}

/** The names to look up, in order. A name that ends in a dot is complete. */
export function candidates(name: string, { domains, dots }: SearchList): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const long = domains.map(domain => `${name}.${domain}`);
  return name.split('.').length - 1 >= dots ? [name, ...long] : [...long, name];
}
