// NameSources: looks names up in /etc/hosts, then at the name servers of /etc/resolv.conf.
import type { LookupAddress } from 'node:dns';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { toError } from '../../errors.ts';
import type { Clock } from '../../time/clock.ts';
import { parseHosts } from './hosts-file.ts';
import { candidates, parseSearchList } from './search-list.ts';
import { SystemFile } from './system-file.ts';

/** The outcome of a look-up. */
export type NameAnswer =
  /** `ms`: how long it may be cached. */
  | { readonly kind: 'found'; readonly addresses: readonly LookupAddress[]; readonly ms: number }
  | { readonly kind: 'unknown' }
  /** No name server answered; `why`: a code such as ETIMEOUT. */
  | { readonly kind: 'unanswered'; readonly why: string };

/** Where files and name servers are, if not in their usual places. */
export interface NameSourcesOptions {
  readonly hosts?: string;
  readonly resolvConf?: string;
  /** Name servers, `ADDRESS:PORT`; default: those of the system. */
  readonly servers?: readonly string[];
}

/** How long an entry of /etc/hosts is used before the file is checked again, ms. */
const fileMs = 5_000;
/** The time for one try at one name server, ms, and how many tries are made. */
const tryMs = 2_000;
const tries = 2;
/** How long to wait for the second family of addresses once the first has arrived, ms (RFC 8305 section 3). */
const otherFamilyMs = 50;
/** How many addresses of one family are taken from an answer. */
const maxAddresses = 64;

/**
 * Reads the files first, then asks the name servers. It does not use the process's thread pool, so a silent server delays
 * only look-ups of its own names.
 */
export class NameSources {
  private readonly clock: Clock;
  private readonly hosts;
  private readonly searchList;
  private readonly resolver;

  constructor(clock: Clock, options: NameSourcesOptions = {}) {
    const { hosts = '/etc/hosts', resolvConf = '/etc/resolv.conf', servers } = options;
    this.clock = clock;
    this.hosts = new SystemFile(hosts, parseHosts);
    this.searchList = new SystemFile(resolvConf, parseSearchList);
    // The resolver reads resolv.conf itself when it is created.
    this.resolver = new SystemFile(resolvConf, () => {
      const { Resolver } = process.getBuiltinModule('node:dns').promises;
      const made = new Resolver({ timeout: tryMs, tries, maxTimeout: tryMs });
      if (servers !== undefined) made.setServers(servers);
      return made;
    });
  }

  /** Looks up the addresses of a lower-case name. Never rejects. */
  async ask(name: string): Promise<NameAnswer> {
    try {
      const listed = this.listed(name);
      if (listed.length > 0) return { kind: 'found', addresses: inOrder(listed), ms: fileMs };
      let failed: NameAnswer = { kind: 'unknown' };
      for (const candidate of candidates(name, this.searchList.content)) {
        const answer = await this.query(candidate);
        if (answer.kind === 'found') return answer;
        if (answer.kind === 'unknown') continue;
        failed = answer;
        if (isSilence(answer.why)) break;
      }
      return failed;
    } catch (thrown) {
      return { kind: 'unanswered', why: toError(thrown).message };
    }
  }

  private listed(name: string): readonly string[] {
    const whole = name.replace(/\.$/, '');
    const found = this.hosts.content.get(whole);
    if (found !== undefined) return found;
    // Name servers are never asked about localhost (RFC 6761 section 6.3).
    return /(?:^|\.)localhost$/.test(whole) ? ['127.0.0.1', '::1'] : [];
  }

  /** Asks for both address families at once. */
  private query(name: string): Promise<NameAnswer> {
    const resolver = this.resolver.content;
    return new Promise(resolve => {
      const answers: NameAnswer[] = [];
      const end = (): void => resolve(combined(answers));
      const add = (answer: NameAnswer): void => {
        answers.push(answer);
        if (answers.length === 2) end();
        else if (answer.kind === 'found') this.clock.after(otherFamilyMs, end);
      };
      const failed = (thrown: unknown): void => add(failureOf(thrown));
      resolver.resolve4(name, { ttl: true }).then(records => add(found(records, 4)), failed);
      resolver.resolve6(name, { ttl: true }).then(records => add(found(records, 6)), failed);
    });
  }
}

function found(
  records: readonly { readonly address: string; readonly ttl: number }[],
  family: 4 | 6,
): NameAnswer {
  if (records.length === 0) return { kind: 'unknown' };
  return {
    kind: 'found',
    addresses: records.slice(0, maxAddresses).map(({ address }) => ({ address, family })),
    ms: Math.min(...records.map(({ ttl }) => ttl)) * 1000,
  };
}

function failureOf(thrown: unknown): NameAnswer {
  const error = toError(thrown);
  const why = 'code' in error ? String(error.code) : error.message;
  return why === 'ENOTFOUND' || why === 'ENODATA' ? { kind: 'unknown' } : { kind: 'unanswered', why };
}

/** Returns whether another query to the same servers would fail the same way. */
function isSilence(why: string): boolean {
  return why === 'ETIMEOUT' || why === 'ECONNREFUSED';
}

/** Joins the answers for both families. If one has addresses, a failure of the other does not matter. */
function combined(answers: readonly NameAnswer[]): NameAnswer {
  const good = answers.filter(answer => answer.kind === 'found');
  if (good.length === 0) return answers.find(({ kind }) => kind === 'unanswered') ?? { kind: 'unknown' };
  const all = good.flatMap(({ addresses }) => addresses.map(({ address }) => address));
  return { kind: 'found', addresses: inOrder(all), ms: Math.min(...good.map(({ ms }) => ms)) };
}

/** IPv6 first if this host has an IPv6 address beyond local scope (RFC 6724 section 5, simplified). */
function inOrder(addresses: readonly string[]): LookupAddress[] {
  const v6 = addresses.filter(isIPv6).map(address => ({ address, family: 6 }));
  const v4 = addresses.filter(address => !isIPv6(address)).map(address => ({ address, family: 4 }));
  return hasIPv6() ? [...v6, ...v4] : [...v4, ...v6];
}

function hasIPv6(): boolean {
  return Object.values(networkInterfaces()).some(addresses =>
    addresses?.some(
      ({ family, internal, address }) => family === 'IPv6' && !internal && !/^fe80:/i.test(address),
    ),
  );
}
