// A server as the page knows it: the admin API's facts and its counts.

export type ServerState = 'active' | 'down' | 'draining' | 'disabled';

/** An operator's change of one field of a server. */
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

/** Recent counts of a server. */
export interface ServerNumbers {
  readonly rate?: number;
  readonly errorShare?: number;
  readonly inFlight?: number;
  readonly p50?: number | null;
  readonly p99?: number | null;
}

/** A state, and when it began. */
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
  /** Undefined until loaded. */
  readonly facts?: ServerFacts;
  readonly history: readonly StateSince[];
  /** When its state last changed, if known. */
  readonly changedAt: number;
}

export const keyOf = (pool: string, id: string): string => `${pool} ${id}`;

/** The path of a server in the admin API. */
export function hrefOf({ facts }: Pick<Server, 'facts'>): string | undefined {
  return facts?.links.find(({ rel }) => rel === 'self')?.href;
}

/** Appends to the query. */
export const withQuery = (href: string, more: string): string =>
  `${href}${href.includes('?') ? '&' : '?'}${more}`;

/** Returns an id without the most common scheme. */
export const nameOf = (id: string): string => id.replace(/^http:\/\//, '');

const codes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENOTFOUND: 'name not found',
  ETIMEDOUT: 'timed out',
};

/** Shortens a reason to what users need: `connection refused`. */
export function reasonTextOf(reason: string): string {
  // The plugin's name is in the details.
  return reason
    .replace(/^[\w-]+: (?=.)/, '')
    .replace(
      /(?:connect |getaddrinfo )?\b(E[A-Z]{5,})\b(?: [\w.:[\]-]+:\d+| [\w.-]+)?/g,
      (all, code: string) => codes[code] ?? all,
    );
}
