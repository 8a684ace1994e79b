// DnsQuestion: one resolution of a name: its addresses, or its SRV records and the addresses of their targets.
import type { RecordWithTtl, SrvRecord } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { codeOf } from '../../core/errors/error-code.ts';
import { toError } from '../../core/errors.ts';
import { candidates, parseSearchList } from '../../core/http/upstream/search-list.ts';
import type { Clock } from '../../core/time/clock.ts';

/** What to resolve. */
export interface DnsQuestionOptions {
  readonly name: string;
  readonly kind: 'addresses' | 'srv';
  readonly family: 4 | 6 | 'both';
  /** `ADDRESS` or `ADDRESS:PORT`; undefined: those of the system, with its search list. */
  readonly resolver: readonly string[] | undefined;
  /** The time limit for all of it, ms. */
  readonly timeout: number;
  /** The most records that are used. */
  readonly maxServers: number;
}

/** One address of a server. */
export interface DnsAddress {
  readonly address: string;
  /** Undefined: the port does not come from DNS. */
  readonly srv: SrvRecord | undefined;
}

/** The result for a name. */
export type DnsAnswer =
  | {
      readonly kind: 'found';
      readonly addresses: readonly DnsAddress[];
      /** How long it is valid, ms. */
      readonly ttl: number;
      /** The number of addresses and targets that were left out because there are too many. */
      readonly leftOut: number;
    }
  | { readonly kind: 'none'; readonly why: string }
  | { readonly kind: 'failed'; readonly why: string };

/** The last known addresses of SRV targets, so that one target that cannot be resolved does not affect the others. */
export type KnownTargets = Map<string, readonly RecordWithTtl[]>;

/** One try at one name server, ms; the next try waits twice as long. */
const tryMs = 1_500;
const tries = 2;
/** The most addresses used of one target. */
const maxTargetAddresses = 64;
/** The most targets of SRV records resolved at once. */
const targetsAtOnce = 16;

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: 'it does not exist',
  ENODATA: 'it has no such records',
  ESERVFAIL: 'the name server failed (SERVFAIL)',
  EREFUSED: 'the name server refused to answer (REFUSED)',
  ETIMEOUT: 'no name server answered',
  ECONNREFUSED: 'no name server listens there',
  EBADRESP: 'the answer was malformed',
};

/** One resolution; it ends after `timeout` at the latest. */
export class DnsQuestion {
  private readonly options: DnsQuestionOptions;
  private readonly clock: Clock;
  private readonly resolver: Resolver;
  private isLate = false;

  constructor(options: DnsQuestionOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
    // Created for each resolution, because it reads resolv.conf at creation only, and that may change.
    this.resolver = new Resolver({ timeout: tryMs, tries, maxTimeout: options.timeout });
    if (options.resolver !== undefined) this.resolver.setServers(options.resolver);
  }

  /** Resolves the name. Never rejects. `targets` is updated. */
  async ask(targets: KnownTargets): Promise<DnsAnswer> {
    const cancelTimer = this.clock.after(this.options.timeout, () => {
      this.isLate = true;
      this.cancel();
    });
    try {
      let failed: string | undefined;
      let unknown = reasons['ENOTFOUND'] ?? '';
      for (const name of await this.names()) {
        try {
          return await this.askFor(name, targets);
        } catch (thrown) {
          const code = codeOf(thrown);
          if (isUnknown(code)) {
            // "Exists without such records" says more than "does not exist", which another name may have got.
            if (code === 'ENODATA') unknown = this.textOf(thrown);
          } else {
            failed = this.textOf(thrown);
            if (this.isLate || code !== 'ESERVFAIL') break;
          }
        }
      }
      return failed === undefined ? { kind: 'none', why: unknown } : { kind: 'failed', why: failed };
    } catch (thrown) {
      return { kind: 'failed', why: toError(thrown).message };
    } finally {
      cancelTimer();
      this.cancel();
    }
  }

  /** Aborts: pending queries fail. */
  cancel(): void {
    this.resolver.cancel();
  }

  private async names(): Promise<readonly string[]> {
    const { name, resolver } = this.options;
    if (resolver !== undefined || name.endsWith('.')) return [name.replace(/\.$/, '')];
    const text = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
    return candidates(name, parseSearchList(text));
  }

  private async askFor(name: string, targets: KnownTargets): Promise<DnsAnswer> {
    if (this.options.kind === 'srv') return await this.services(name, targets);
    const records = await this.addresses(name);
    return this.answer(
      records.map(({ address }) => ({ address, srv: undefined })),
      records,
      0,
    );
  }

  private async services(name: string, targets: KnownTargets): Promise<DnsAnswer> {
    const all = await this.resolver.resolveSrv(name);
    // A target "." means that the service is not available (RFC 2782).
    const offered = all.filter(({ name: target }) => target !== '' && target !== '.').sort(byPriority);
    const records = offered.slice(0, this.options.maxServers);
    const wanted = [...new Set(records.map(record => record.name.toLowerCase()))];
    for (const target of targets.keys()) if (!wanted.includes(target)) targets.delete(target);
    const failed = new Map<string, string>();
    const rest = [...wanted];
    const askNext = async (): Promise<void> => {
      for (let target = rest.pop(); target !== undefined; target = rest.pop()) {
        await this.target(target, targets, failed);
      }
    };
    await Promise.all(Array.from({ length: Math.min(targetsAtOnce, rest.length) }, askNext));
    const found = records.flatMap(srv =>
      (targets.get(srv.name.toLowerCase()) ?? []).map(({ address }) => ({ address, srv })),
    );
    const [first] = failed;
    // For a new service, a part could be taken for the whole.
    if (first !== undefined) return { kind: 'failed', why: `its target ${first[0]}: ${first[1]}` };
    return this.answer(found, [...targets.values()].flat(), offered.length - records.length);
  }

  /** Resolves one target; if that fails, its last known addresses stay. */
  private async target(name: string, targets: KnownTargets, failed: Map<string, string>): Promise<void> {
    try {
      const found = await this.addresses(name);
      targets.set(name, found.sort((a, b) => compare(a.address, b.address)).slice(0, maxTargetAddresses));
    } catch (thrown) {
      if (isUnknown(codeOf(thrown))) targets.set(name, []);
      else if (!targets.has(name)) failed.set(name, this.textOf(thrown));
    }
  }

  private answer(
    found: readonly DnsAddress[],
    records: readonly RecordWithTtl[],
    leftOut: number,
  ): DnsAnswer {
    const { maxServers } = this.options;
    if (found.length === 0) return { kind: 'none', why: 'it has no address' };
    // Name servers rotate the order; sorting leaves out the same ones each time.
    const sorted = [...found].sort(byAddress);
    return {
      kind: 'found',
      addresses: sorted.slice(0, maxServers),
      ttl: records.reduce((least, { ttl }) => Math.min(least, ttl), Number.POSITIVE_INFINITY) * 1000,
      leftOut: leftOut + Math.max(0, sorted.length - maxServers),
    };
  }

  /** Rejects if no name server answers or there is no address. If both families are wanted, one alone is not an answer. */
  private async addresses(name: string): Promise<RecordWithTtl[]> {
    const { family } = this.options;
    const questions: Promise<RecordWithTtl[]>[] = [];
    if (family !== 6) questions.push(this.resolver.resolve4(name, { ttl: true }));
    if (family !== 4) questions.push(this.resolver.resolve6(name, { ttl: true }));
    const found: RecordWithTtl[] = [];
    let unknown: unknown;
    let failed: unknown;
    for (const result of await Promise.allSettled(questions)) {
      if (result.status === 'fulfilled') found.push(...result.value);
      else if (isUnknown(codeOf(result.reason))) unknown ??= result.reason;
      else failed ??= result.reason;
    }
    if (failed !== undefined) throw failed;
    // No server is reachable at these; resolvers that block names return them.
    const reachable = found.filter(({ address }) => address !== '0.0.0.0' && address !== '::');
    if (reachable.length === 0 && unknown !== undefined) throw unknown;
    return reachable;
  }

  private textOf(thrown: unknown): string {
    if (this.isLate) return `it was not answered within ${this.options.timeout} ms`;
    return reasons[codeOf(thrown)] ?? toError(thrown).message;
  }
}

/** Returns whether the name servers say that there is none. */
function isUnknown(code: string): boolean {
  return code === 'ENOTFOUND' || code === 'ENODATA';
}

function byPriority(one: SrvRecord, other: SrvRecord): number {
  return (
    one.priority - other.priority ||
    other.weight - one.weight ||
    one.port - other.port ||
    compare(one.name, other.name)
  );
}

function byAddress(one: DnsAddress, other: DnsAddress): number {
  const order = one.srv !== undefined && other.srv !== undefined ? byPriority(one.srv, other.srv) : 0;
  return order || compare(one.address, other.address);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
