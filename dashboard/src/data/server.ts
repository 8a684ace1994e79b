// A server as the page knows it: what the admin API says of it, with what was counted.

export type ServerState = 'active' | 'down' | 'draining' | 'disabled';

/** What an operator changed of a server. */
export interface Override {
  readonly value: unknown;
  readonly config?: unknown;
  readonly discovered?: unknown;
  readonly by?: string;
  readonly at?: number;
}

/** One entry of `GET /pools/:pool/servers`. */
export interface ServerFacts {
  readonly id: string;
  readonly pool: string;
  readonly state: ServerState;
  readonly reason: string;
  readonly weight: number;
  readonly layer: string;
  readonly backup?: boolean;
  readonly host?: string;
  readonly ttl?: string | number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly healthCheck?: unknown;
  readonly overrides?: Readonly<Record<string, Override>>;
  readonly shadows?: string;
  readonly health: Readonly<Record<string, unknown>> | null;
  readonly links: readonly { readonly rel: string; readonly href: string }[];
}

/** What was counted of a server lately. */
export interface ServerNumbers {
  readonly rate?: number;
  readonly errorShare?: number;
  readonly inFlight?: number;
  readonly p50?: number | null;
  readonly p99?: number | null;
}

/** From then on in this state. */
export interface StateSince {
  readonly at: number;
  readonly state: ServerState;
}

export interface Server extends ServerNumbers {
  readonly key: string;
  readonly id: string;
  readonly pool: string;
  readonly state: ServerState;
  readonly reason: string;
  /** Undefined until it was loaded. */
  readonly facts?: ServerFacts;
  readonly history: readonly StateSince[];
  /** When its state changed last, as far as it is known. */
  readonly changedAt: number;
}

export const keyOf = (pool: string, id: string): string => `${pool} ${id}`;

/** The path of a server in the admin API. */
export function hrefOf({ facts }: Pick<Server, 'facts'>): string | undefined {
  return facts?.links.find(({ rel }) => rel === 'self')?.href;
}

/** With more of a query behind it. */
export const withQuery = (href: string, more: string): string =>
  `${href}${href.includes('?') ? '&' : '?'}${more}`;

/** Without the scheme that most have. */
export const nameOf = (id: string): string => id.replace(/^http:\/\//, '');

const codes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host cannot be reached',
  ENETUNREACH: 'network cannot be reached',
  ENOTFOUND: 'name not found',
  ETIMEDOUT: 'no answer in time',
};

/** A reason without what only a log needs: `connection refused`. */
export function reasonTextOf(reason: string): string {
  // Who says it is told in the details.
  return reason
    .replace(/^[\w-]+: (?=.)/, '')
    .replace(
      /(?:connect |getaddrinfo )?\b(E[A-Z]{5,})\b(?: [\w.:[\]-]+:\d+| [\w.-]+)?/g,
      (all, code: string) => codes[code] ?? all,
    );
}
