// EtcdClient: one etcd3 client for each member, so that Weldr decides which member it asks, for how long, and what comes next.
// etcd3's own fail-over retries blindly, opens its circuit for seconds and never bounds a call.
import type { Etcd3, IResponseHeader } from 'etcd3';
import { toError, WeldrError } from '../../core/errors.ts';
import { failureOf, refusalError } from './etcd-failure.ts';

/** How to reach etcd. */
export interface EtcdAccess {
  /** `http://HOST:PORT` or `https://HOST:PORT`, not mixed. */
  readonly hosts: readonly string[];
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Undefined: etcd's certificate is checked against the authorities that Node knows. */
  readonly tls?: EtcdTls | undefined;
}

/** Certificates for TLS to etcd, PEM. */
export interface EtcdTls {
  readonly ca: Buffer;
  /** A client certificate and its key, if etcd asks for one. */
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
  /** The name that etcd's certificate is checked against; undefined: the host's. */
  readonly servername?: string | undefined;
}

/** One member of etcd, with its client. */
export interface EtcdMember {
  readonly host: string;
  readonly etcd: Etcd3;
}

/** How long a call may take, ms. */
export interface CallLimits {
  /** All attempts together. */
  readonly totalMs: number;
  /** One attempt at one member. */
  readonly attemptMs: number;
}

/** The options that an attempt passes to etcd3's methods. */
export interface AttemptOptions {
  /** The wall time at which the attempt ends, ms since the epoch, as gRPC takes it. */
  readonly deadline: number;
}

const defaultLimits: CallLimits = { totalMs: 3000, attemptMs: 1000 };

// EtcdClient waits between attempts to connect, so gRPC's own waits (1 s to 2 min) are short. With a local subchannel pool a
// reset starts with a fresh connection instead of one that waits for TCP to notice a lost peer.
const channelOptions = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
};

/** The members of one etcd cluster. */
export class EtcdClient {
  private readonly members: EtcdMember[];
  private readonly isRecoverable: (error: Error) => boolean;
  /** The index of the member that answered last. */
  private preferred = 0;
  private closed = false;

  private constructor(members: EtcdMember[], isRecoverable: (error: Error) => boolean) {
    this.members = members;
    this.isRecoverable = isRecoverable;
  }

  /** Loads etcd3, which only configs with etcd need, and makes the clients, which connect later. */
  static async create(access: EtcdAccess): Promise<EtcdClient> {
    const { Etcd3, isRecoverableError } = await import('etcd3');
    const { user, password, tls } = access;
    const members = access.hosts.map(host => ({
      host,
      etcd: new Etcd3({
        hosts: host,
        grpcOptions: {
          ...channelOptions,
          ...(tls?.servername !== undefined && { 'grpc.ssl_target_name_override': tls.servername }),
        },
        faultHandling: { host: () => new NoFaultHandling(), global: new NoFaultHandling() },
        ...(user !== undefined && {
          auth: {
            username: user,
            password: password ?? '',
            callOptions: () => ({ deadline: Date.now() + defaultLimits.attemptMs }),
          },
        }),
        ...(tls !== undefined && {
          credentials: {
            rootCertificate: tls.ca,
            ...(tls.key && { privateKey: tls.key }),
            ...(tls.cert && { certChain: tls.cert }),
          },
        }),
      }),
    }));
    return new EtcdClient(members, isRecoverableError);
  }

  get hosts(): readonly string[] {
    return this.members.map(member => member.host);
  }

  /** Returns the members, beginning with the one that answered last. */
  inOrder(): EtcdMember[] {
    return [...this.members.slice(this.preferred), ...this.members.slice(0, this.preferred)];
  }

  /** Asks this member first from now on, because it answered. */
  prefer(member: EtcdMember): void {
    this.preferred = Math.max(0, this.members.indexOf(member));
  }

  /** Asks this member last from now on, because it did not answer. */
  avoid(member: EtcdMember): void {
    if (this.members[this.preferred] === member) this.preferred = (this.preferred + 1) % this.members.length;
  }

  /**
   * Asks one member after another until one answers. Rejects with STORE_UNAVAILABLE when none answered within the limits or
   * etcd cannot do it now (`mayBeDone` of `refusalOf`: whether a write may still have been done), or with etcd's own error when
   * the call is invalid.
   */
  async call<T>(
    attempt: (etcd: Etcd3, options: AttemptOptions) => Promise<T>,
    limits: CallLimits = defaultLimits,
  ): Promise<T> {
    const end = performance.now() + limits.totalMs;
    const failures = new Map<string, string>();
    let mayBeDone = false;
    while (!this.closed) {
      for (const member of this.inOrder()) {
        const left = end - performance.now();
        if (left <= 0) throw unavailable(failures, mayBeDone);
        try {
          const result = await this.callMember(member, attempt, Math.min(left, limits.attemptMs));
          this.prefer(member);
          return result;
        } catch (thrown) {
          const error = toError(thrown);
          const failure = failureOf(error);
          const { kind, text } = failure;
          mayBeDone ||= failure.mayBeDone;
          if (!this.mayPass(error)) {
            if ((kind === 'refused' && !mayBeDone) || kind === 'no-answer') throw error;
            throw refusalError({ kind, text, mayBeDone });
          }
          this.avoid(member);
          failures.set(member.host, text);
        }
      }
      // All members failed: they may be restarting, or electing.
      await new Promise(resolve => setTimeout(resolve, Math.min(100, Math.max(0, end - performance.now()))));
      if (performance.now() >= end) throw unavailable(failures, mayBeDone);
    }
    throw new WeldrError('STORE_UNAVAILABLE', 'this Weldr is leaving the cluster');
  }

  /** Makes one attempt at one member, which ends after `ms` at the latest. */
  async callMember<T>(
    member: EtcdMember,
    attempt: (etcd: Etcd3, options: AttemptOptions) => Promise<T>,
    ms: number,
  ): Promise<T> {
    // gRPC's deadline does not cover the token that etcd3 may have to fetch first.
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = setTimeout(() => reject(new AttemptTimeout(ms)), ms + 20);
    try {
      attempt(member.etcd, { deadline: Date.now() + ms }).then(resolve, reject);
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Returns whether another member, or a later attempt, may succeed. */
  mayPass(error: Error): boolean {
    const { kind, mayPass } = failureOf(error);
    return mayPass || (kind === 'no-answer' && this.isRecoverable(error));
  }

  close(): void {
    this.closed = true;
    for (const { etcd } of this.members) etcd.close();
  }
}

class AttemptTimeout extends Error {
  constructor(ms: number) {
    super(`no answer within ${Math.round(ms)} ms`);
  }
}

const never = new AbortController().signal;

/** A policy for etcd3 that does nothing: EtcdClient does retries and fail-over. */
class NoFaultHandling {
  declare readonly _altReturn: never;
  readonly onSuccess = () => ({ dispose() {} });
  readonly onFailure = () => ({ dispose() {} });
  async execute<T>(fn: (context: { signal: AbortSignal }) => PromiseLike<T> | T): Promise<T> {
    return await fn({ signal: never });
  }
}

function unavailable(failures: ReadonlyMap<string, string>, mayBeDone: boolean): WeldrError {
  const list = [...failures].map(([host, reason]) => `${host}: ${reason}`).join('; ');
  const text = `etcd does not answer (${list || 'no time was left'})`;
  return refusalError({ kind: 'unreachable', text, mayBeDone });
}

/** Returns the part of a gRPC error that an operator can use. */
export function plainReason(error: unknown): string {
  return failureOf(error).text;
}

/** Returns the revision in an answer's header. */
export function revisionOf(header: IResponseHeader): number {
  return Number(header.revision);
}
