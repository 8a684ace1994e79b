// The search list of /etc/resolv.conf: which names are asked for when somebody says `api` (resolv.conf(5)).
import { hostname } from 'node:os';

/** How short names are made long. */
export interface SearchList {
  readonly domains: readonly string[];
  /** A name with as many dots is asked for as it is before a domain is put behind it. */
  readonly dots: number;
}

const maxDomains = 16;
const maxDots = 15;

/** Reads the text of a resolv.conf. Without a list in it, it is the domain of this host. */
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

/** The names to ask for, in order; one that ends in a dot is whole. */
export function candidates(name: string, { domains, dots }: SearchList): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const long = domains.map(domain => `${name}.${domain}`);
  return name.split('.').length - 1 >= dots ? [name, ...long] : [...long, name];
}
