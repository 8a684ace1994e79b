// NameSources: where the addresses of names come from: /etc/hosts, then the name servers of /etc/resolv.conf.
import type { LookupAddress } from 'node:dns';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { toError } from '../../errors.ts';
import type { Clock } from '../../time/clock.ts';
import { parseHosts } from './hosts-file.ts';
import { candidates, parseSearchList } from './search-list.ts';
import { SystemFile } from './system-file.ts';

/** What became of asking for a name. */
export type NameAnswer =
  /** `ms`: how long it holds. */
  | { readonly kind: 'found'; readonly addresses: readonly LookupAddress[]; readonly ms: number }
  | { readonly kind: 'unknown' }
  /** No name server could tell; `why`: such as ETIMEOUT. */
  | { readonly kind: 'unanswered'; readonly why: string };

/** Where files and name servers are, other than usual. */
export interface NameSourcesOptions {
  readonly hosts?: string;
  readonly resolvConf?: string;
  /** Name servers, `ADDRESS:PORT`; default: those of the system. */
  readonly servers?: readonly string[];
}

/** How long an entry of /etc/hosts is believed without a look at the file, ms. */
const fileMs = 5_000;
/** One try at one name server, ms, and how many. */
const tryMs = 2_000;
const tries = 2;
/** When one family of addresses is there, the other has this long, ms (RFC 8305 section 3). */
const otherFamilyMs = 50;
/** Addresses of one family that are taken of an answer. */
const maxAddresses = 64;

/**
 * Asks the files first, then the name servers, off the thread pool of the process: a silent server
 * delays only those who ask for its names.
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
    // It reads resolv.conf itself, when it is made.
    this.resolver = new SystemFile(resolvConf, () => {
      const { Resolver } = process.getBuiltinModule('node:dns').promises;
      const made = new Resolver({ timeout: tryMs, tries, maxTimeout: tryMs });
      if (servers !== undefined) made.setServers(servers);
      return made;
    });
  }

  /** Asks for the addresses of a name, in lower case. Never rejects. */
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
    // RFC 6761 section 6.3: never a question for a name server.
    return /(?:^|\.)localhost$/.test(whole) ? ['127.0.0.1', '::1'] : [];
  }

  /** Asks for both families at once. */
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

/** No other question to the same servers would fare better. */
function isSilence(why: string): boolean {
  return why === 'ETIMEOUT' || why === 'ECONNREFUSED';
}

/** What both families come to; where one has addresses, the other's failure does not matter. */
function combined(answers: readonly NameAnswer[]): NameAnswer {
  const good = answers.filter(answer => answer.kind === 'found');
  if (good.length === 0) return answers.find(({ kind }) => kind === 'unanswered') ?? { kind: 'unknown' };
  const all = good.flatMap(({ addresses }) => addresses.map(({ address }) => address));
  return { kind: 'found', addresses: inOrder(all), ms: Math.min(...good.map(({ ms }) => ms)) };
}

/** IPv6 first where this host has an address by which it could be reached (RFC 6724 section 5, in short). */
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
