// EtcdFailure: what an error of a call to etcd means: whether anything was done, whether another member may succeed, and what
// helps, in an operator's words.
import { describeError, WeldrError } from '../../core/errors.ts';

/** The kinds of failure. */
export type FailureKind =
  | 'no-space'
  | 'corrupt'
  | 'too-large'
  | 'denied'
  | 'busy'
  | 'not-capable'
  | 'learner'
  | 'no-majority'
  | 'unreachable'
  | 'refused'
  | 'no-answer';

/** What is known about a call that failed. */
export interface EtcdFailure {
  readonly kind: FailureKind;
  /** Whether the call may still have had an effect. */
  readonly mayBeDone: boolean;
  /** Whether another member, or a later attempt, may succeed. */
  readonly mayPass: boolean;
  /** The failure as a sentence, with what helps. */
  readonly text: string;
}

interface FailureRow extends Omit<EtcdFailure, 'text'> {
  readonly pattern: RegExp;
  /** Undefined: etcd's own text. */
  readonly text?: string;
}

const refused = { mayBeDone: false, mayPass: false } as const;
const passing = { mayBeDone: false, mayPass: true } as const;

// The texts of etcd 3.4 to 3.6 (api/v3rpc/rpctypes/error.go). Codes are not enough: too many requests and no space share one.
const rows: readonly FailureRow[] = [
  {
    // Two parts of etcd check the space: the first refuses, the second reports it after having written.
    kind: 'no-space',
    pattern: /database space exceeded/,
    mayBeDone: true,
    mayPass: false,
    text: 'etcd is out of space (NOSPACE alarm): compact, defragment, then `etcdctl alarm disarm`; --auto-compaction-retention prevents it',
  },
  {
    kind: 'corrupt',
    pattern: /corrupt cluster|database corruption/,
    ...refused,
    text: 'etcd has found that its members differ (CORRUPT alarm): replace the damaged member, then `etcdctl alarm disarm`',
  },
  {
    kind: 'too-large',
    pattern: /request is too large|message larger than max/,
    ...refused,
    text: 'it is larger than etcd accepts (1.5 MB by default, --max-request-bytes): make smaller batches',
  },
  {
    kind: 'denied',
    pattern: /user name is empty/,
    ...refused,
    text: "etcd requires a user: set the plugin etcd's `user` and `password`",
  },
  {
    kind: 'denied',
    pattern: /invalid user ID or password|authentication failed/,
    ...refused,
    text: 'etcd refuses the user or the password (authentication failed): check `user` and `password`',
  },
  {
    kind: 'denied',
    pattern: /authentication is not enabled/,
    ...refused,
    text: "etcd's authentication is off: remove `user` and `password`, or `etcdctl auth enable`",
  },
  {
    kind: 'denied',
    pattern: /permission denied|PERMISSION_DENIED/,
    ...refused,
    text: 'etcd does not permit it (permission denied): give the user a role with readwrite on the prefix',
  },
  {
    kind: 'denied',
    pattern: /invalid auth token|UNAUTHENTICATED/,
    ...refused,
    text: "etcd no longer accepts the user's token",
  },
  {
    kind: 'busy',
    pattern: /too many requests/,
    ...passing,
    text: 'etcd has too many requests under way: check the speed of its disks',
  },
  {
    kind: 'not-capable',
    pattern: /not capable|UNIMPLEMENTED|unknown service/,
    ...passing,
    text: 'this member of etcd cannot do that: all members must be 3.4 or newer',
  },
  {
    kind: 'learner',
    pattern: /not supported for learner/,
    ...passing,
    text: 'this member of etcd is a learner: `etcdctl member promote` makes it a full one',
  },
  { kind: 'no-majority', pattern: /etcdserver: no leader/, ...passing, text: 'it has no majority' },
  {
    kind: 'no-majority',
    pattern: /request timed out|leader changed|not leader|unhealthy cluster/,
    mayBeDone: true,
    mayPass: true,
    text: 'it has no majority',
  },
  { kind: 'unreachable', pattern: /ECONNREFUSED/, ...passing, text: 'connection refused' },
  { kind: 'unreachable', pattern: /EHOSTUNREACH|ENETUNREACH/, ...passing, text: 'no route to it' },
  { kind: 'unreachable', pattern: /ENOTFOUND|Name resolution failed/, ...passing, text: 'no such name' },
  // Without a connection nothing was sent.
  { kind: 'unreachable', pattern: /No connection established/, ...passing },
  {
    kind: 'no-answer',
    pattern: /DEADLINE_EXCEEDED|Deadline exceeded|no answer within/i,
    mayBeDone: true,
    mayPass: true,
    text: 'no answer in time',
  },
  {
    kind: 'refused',
    pattern:
      /INVALID_ARGUMENT|NOT_FOUND|FAILED_PRECONDITION|OUT_OF_RANGE|ALREADY_EXISTS|requested lease not found|is expired or revoked/,
    ...refused,
  },
];

/** Returns what an error of a call means. After an unknown error the call may have been done. */
export function failureOf(thrown: unknown): EtcdFailure {
  const words = describeError(thrown);
  const row = rows.find(({ pattern }) => pattern.test(words));
  const text = row?.text ?? words.replace(/^\d+ [A-Z_]+: /, '').slice(0, 200);
  if (row === undefined) return { kind: 'no-answer', mayBeDone: true, mayPass: false, text };
  const { kind, mayBeDone, mayPass } = row;
  return { kind, mayBeDone, mayPass, text };
}

/** The cause of a STORE_UNAVAILABLE for which the failures of all attempts are known. */
class Refusal extends Error {
  readonly kind: FailureKind;
  readonly mayBeDone: boolean;

  constructor({ kind, mayBeDone, text }: Omit<EtcdFailure, 'mayPass'>) {
    super(text);
    this.kind = kind;
    this.mayBeDone = mayBeDone;
  }
}

/** Makes a STORE_UNAVAILABLE that {@link refusalOf} can read. */
export function refusalError(failure: Omit<EtcdFailure, 'mayPass'>): WeldrError {
  return new WeldrError('STORE_UNAVAILABLE', failure.text, { cause: new Refusal(failure) });
}

/** Returns why a call failed in all attempts, and whether it may have been done nevertheless; undefined: that is not known. */
export function refusalOf(thrown: unknown): Omit<EtcdFailure, 'mayPass'> | undefined {
  if (thrown instanceof WeldrError) {
    if (!(thrown.cause instanceof Refusal)) return undefined;
    const { kind, mayBeDone, message } = thrown.cause;
    return { kind, mayBeDone, text: message };
  }
  const { kind, mayBeDone, text } = failureOf(thrown);
  return mayBeDone ? undefined : { kind, mayBeDone, text };
}
