// Routes of the admin API: plugins add them, whichever plugin serves HTTP to operators answers them.

import type { z } from 'zod';
import type { Precondition } from './precondition.ts';

/** A request to the admin API, its JSON parsed. */
export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  /** The route's `:names`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** What the caller expects to find; see {@link Precondition}. */
  readonly precondition: Precondition;
  /** What of several forms of an answer the caller takes: its `Accept`; undefined: any. */
  readonly accept?: string | undefined;
  /** Who asks, for logs and for what is kept: the address, and whether a token was shown. */
  readonly by: string;
  /** Asks the caller for a stream of events, as a page does (`Accept: text/event-stream`)? Then after which one. */
  readonly stream?: StreamWish | undefined;
  /** What the caller may do: see {@link AdminRoute.access}. */
  readonly role: AdminRole;
  /** The parsed JSON body; undefined when there was none. Untrusted: parse it with a schema. */
  readonly body: unknown;
}

/**
 * Which overridden fields `?override=weight,state` names; undefined: `?override` or nothing, which is all of them.
 */
export function overrideOf({ query }: Pick<AdminRequest, 'query'>): readonly string[] | undefined {
  const text = query.get('override') ?? '';
  if (text === '' || text === 'true' || text === '1') return undefined;
  return text.split(',').map(field => field.trim());
}

/** What is known of a caller who asks for a stream. */
export interface StreamWish {
  /** The id of the last event that it has (`Last-Event-ID`); undefined: it has none, or does not say. */
  readonly lastEventId: string | undefined;
}

/** One message of a stream: Server-Sent Events as the HTML standard has them. */
export interface StreamMessage {
  /** What the caller may resume from. */
  readonly id?: string | number | undefined;
  /** The name; default: none. */
  readonly event?: string | undefined;
  /** JSON, in one line. */
  readonly data: string;
}

/** An answer that goes on. What is sent is bounded by who sends: ask `ready` first. */
export interface EventStream {
  /** Does the caller take what is sent? False while some 64 KB of it wait. */
  readonly ready: boolean;
  send(message: StreamMessage): void;
  /** Nothing more comes: ends the stream when what was sent is taken. */
  finish(): void;
}

/** Who sends over a stream. */
export interface StreamSender {
  /** The stream is ready again, after it was not. */
  drained(): void;
  /** The caller has left, or the server closes. */
  ended(): void;
}

/** `reader`: may look at everything but secrets, and change nothing. */
export type AdminRole = 'operator' | 'reader';

/** The answer of a route: JSON unless `contentType` says otherwise, then `body` is a string or bytes. */
export interface AdminAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  /**
   * In place of `body`, only where the request has `stream`: begins to send. There are 32 streams at most; more are answered
   * 503.
   */
  readonly stream?: (stream: EventStream) => StreamSender;
}

/** One route. What a handler throws as a WeldrError is answered as problem+json with its status and field. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Such as `/servers/:ip/:port`. */
  readonly path: string;
  /** The link relation under which `GET /` lists it; undefined: not listed. */
  readonly rel?: string;
  /** Does it look at `precondition`? One that does not is never called with a condition: it is answered 412. */
  readonly conditional?: true;
  /**
   * Who may call it; default: readers if it is a GET, else operators. `everybody`, those of other sites too: only for what tells
   * nothing of this Weldr, such as the files of a page.
   */
  readonly access?: 'everybody' | 'readers' | 'operators';
  /** What it does, in a line, for `GET /openapi.json`. */
  readonly summary?: string;
  /** What its query takes, by name, for the same. */
  readonly query?: Readonly<Record<string, string>>;
  /** What its body is, for the same; the handler parses it. */
  readonly body?: z.ZodType;
  /** What it answers, by status, for the same; errors that every call has are left out. */
  readonly answers?: Readonly<Record<number, string>>;
  /** It may answer with a stream of events as well, for the same. */
  readonly streams?: true;
  /** The most bytes that its request's body may have; default 64 KB. */
  readonly maxBody?: number;
  /** Its answer may come after the plugin that serves it was closed, as that of a reload; default false. */
  readonly outlivesServer?: boolean;
  handle(request: AdminRequest): AdminAnswer | Promise<AdminAnswer>;
}

/** A page for browsers that a plugin serves. */
export interface AdminPage {
  /** Where it is, such as `/ui/`: a browser that opens `/` is sent there, and its cookie goes nowhere else. */
  readonly path: string;
  /** A session ends when nothing was asked for so long, ms. */
  readonly idleMs: number;
  /** And so long after the sign-in, whatever was asked, ms. */
  readonly sessionMs: number;
}

/** The routes of one manager. */
export class AdminRoutes {
  private readonly list: AdminRoute[] = [];
  private offered: AdminPage | undefined;

  /**
   * Offers a page. Below its path, `api/…` are then all routes once more, for callers who have signed in; see `access`.
   * Throws an Error when there is one.
   */
  offer(page: AdminPage): void {
    if (this.offered !== undefined) throw new Error(`there is a page at ${this.offered.path} already`);
    this.offered = page;
  }

  /** The page for browsers; undefined: there is none. */
  get page(): AdminPage | undefined {
    return this.offered;
  }

  /** Adds a route. Throws an Error when method and path are taken. */
  add(route: AdminRoute): void {
    if (this.list.some(r => r.method === route.method && r.path === route.path)) {
      throw new Error(`${route.method} ${route.path} is served already`);
    }
    this.list.push(route);
  }

  /** How many there are; they only become more, so it tells whether a built router is up to date. */
  get size(): number {
    return this.list.length;
  }

  [Symbol.iterator](): IterableIterator<AdminRoute> {
    return this.list.values();
  }
}
