// Routes of the admin API: plugins add them, and the plugin that serves HTTP to operators serves them.

import type { z } from 'zod';
import type { Precondition } from './precondition.ts';

/** A request to the admin API, its JSON parsed. */
export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  /** The route's `:names`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** What the caller expects; see {@link Precondition}. */
  readonly precondition: Precondition;
  /** The media types that the caller accepts: its `Accept`; undefined: any. */
  readonly accept?: string | undefined;
  /** The caller, for logs and stored rows: the address, and whether a token was shown. */
  readonly by: string;
  /** Set when the caller asks for a stream of events (`Accept: text/event-stream`), with the point to start from. */
  readonly stream?: StreamWish | undefined;
  /** What the caller may do: see {@link AdminRoute.access}. */
  readonly role: AdminRole;
  /** The parsed JSON body; undefined when there was none. Untrusted: parse it with a schema. */
  readonly body: unknown;
}

/**
 * Returns the overridden fields that `?override=weight,state` names; undefined: `?override` or nothing, which means all.
 */
export function overrideOf({ query }: Pick<AdminRequest, 'query'>): readonly string[] | undefined {
  const text = query.get('override') ?? '';
  if (text === '' || text === 'true' || text === '1') return undefined;
  return text.split(',').map(field => field.trim());
}

/** What a caller that asks for a stream sends. */
export interface StreamWish {
  /** The id of the last event that it has (`Last-Event-ID`); undefined: it has none, or does not send it. */
  readonly lastEventId: string | undefined;
}

/** One message of a stream: a Server-Sent Event of the HTML standard. */
export interface StreamMessage {
  /** The id from which the caller may resume. */
  readonly id?: string | number | undefined;
  /** The name; default: none. */
  readonly event?: string | undefined;
  /** JSON, in one line. */
  readonly data: string;
}

/** An answer that continues. The sender limits what is sent: check `ready` first. */
export interface EventStream {
  /** Whether the caller keeps up. False while some 64 KB wait. */
  readonly ready: boolean;
  send(message: StreamMessage): void;
  /** Ends the stream once everything sent has been taken. */
  finish(): void;
}

/** The sender of a stream. */
export interface StreamSender {
  /** Called when the stream is ready again. */
  drained(): void;
  /** Called when the caller has left, or the server closes. */
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
   * In place of `body`, only if the request has `stream`: starts sending. There are at most 32 streams; further requests
   * get 503.
   */
  readonly stream?: (stream: EventStream) => StreamSender;
}

/** One route. A WeldrError that its handler throws becomes problem+json, with its status and field. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Such as `/servers/:ip/:port`. */
  readonly path: string;
  /** The link relation under which `GET /` lists it; undefined: not listed. */
  readonly rel?: string;
  /** Whether it checks `precondition`. If not, it is never called with a condition: such requests get 412. */
  readonly conditional?: true;
  /**
   * Who may call it; default: readers for a GET, otherwise operators. `everybody`, even from other sites: only for what
   * reveals nothing about this Weldr, such as the files of a page.
   */
  readonly access?: 'everybody' | 'readers' | 'operators';
  /** What it does, in one line, for `GET /openapi.json`. */
  readonly summary?: string;
  /** The parameters of its query, by name. A call with another one gets 400. */
  readonly query?: Readonly<Record<string, string>>;
  /** Ignores parameters that it does not declare: for probes and scrapers, which may add their own. */
  readonly ignoresQuery?: true;
  /** What its body is, for `GET /openapi.json`; the handler parses it. */
  readonly body?: z.ZodType;
  /** Its answers, by status, for `GET /openapi.json`, without the errors that every call has. */
  readonly answers?: Readonly<Record<number, string>>;
  /** Whether it may also answer with a stream of events; for `GET /openapi.json`. */
  readonly streams?: true;
  /** The most bytes of a request's body; default 64 KB. */
  readonly maxBody?: number;
  /** Whether its answer may come after the serving plugin was closed, as for a reload. Default false. */
  readonly outlivesServer?: boolean;
  handle(request: AdminRequest): AdminAnswer | Promise<AdminAnswer>;
}

/** A page for browsers that a plugin serves. */
export interface AdminPage {
  /** Its path, such as `/ui/`: a browser that opens `/` is sent there, and its cookie is limited to it. */
  readonly path: string;
  /** How long a session lasts without requests, ms. */
  readonly idleMs: number;
  /** How long a session lasts after the sign-in, ms. */
  readonly sessionMs: number;
}

/** The routes of one manager. */
export class AdminRoutes {
  private readonly list: AdminRoute[] = [];
  private offered: AdminPage | undefined;

  /**
   * Offers a page. All routes are then also below its path, at `api/…`, for callers who have signed in; see `access`.
   * Throws an Error when there is one.
   */
  offer(page: AdminPage): void {
    if (this.offered !== undefined) throw new Error(`there is already a page at ${this.offered.path}`);
    this.offered = page;
  }

  /** The page for browsers; undefined: there is none. */
  get page(): AdminPage | undefined {
    return this.offered;
  }

  /** Adds a route. Throws an Error when method and path are taken. */
  add(route: AdminRoute): void {
    if (this.list.some(r => r.method === route.method && r.path === route.path)) {
      throw new Error(`${route.method} ${route.path} is already served`);
    }
    this.list.push(route);
  }

  /** How many routes there are; they never become fewer, so it shows whether a built router is up to date. */
  get size(): number {
    return this.list.length;
  }

  [Symbol.iterator](): IterableIterator<AdminRoute> {
    return this.list.values();
  }
}
