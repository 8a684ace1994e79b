// An example plugin that keeps responses to GET in the memory of each worker, as a shared cache may (RFC 9111), if their
// Cache-Control says for how long. Put it after plugins that decide who may pass, and after those that change
// bodies: it keeps their output.
import { Transform } from 'node:stream';
import { definePlugin, type ProxyContext, reply, size } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** Of all responses together, per worker. */
  maxBytes: size().default(64 * 1024 * 1024),
  /** Of one body. */
  maxBody: size().default(1024 * 1024),
  maxEntries: z.number().int().min(1).default(10_000),
});

type Fields = readonly (readonly [name: string, value: string])[];

/** One response, for requests whose fields have the values of `varies`. Times are ms of the clock. */
interface Stored {
  readonly varies: Fields;
  readonly headers: Fields;
  readonly body: Buffer;
  readonly madeAt: number;
  readonly until: number;
}

export const cache = definePlugin({
  name: 'cache',
  schema: options,
  worker({ hooks, clock }, limits) {
    const store = new Store(limits.maxBytes, limits.maxEntries);

    hooks.request.tap('cache', ctx => {
      if (!mayBeShared(ctx)) return undefined;
      const now = clock.monotonic();
      const found = store.get(keyOf(ctx));
      if (found === undefined || now >= found.until || !suits(found, ctx)) return undefined;
      ctx.note('from the cache');
      const age = String(Math.floor((now - found.madeAt) / 1000));
      return reply(200, found.body, [...found.headers, ['Age', age]]);
    });

    hooks.postProxy.tap('cache', ctx => {
      const { request, response } = ctx;
      if (response?.source !== 'upstream' || ctx.rehearsal) return undefined;
      const key = keyOf(ctx);
      // An unsafe request invalidates the kept response (RFC 9111 section 4.4).
      if (!/^(GET|HEAD|OPTIONS)$/.test(request.method) && response.status < 400) store.delete(key);
      const seconds = mayBeShared(ctx) ? lifetimeOf(ctx) : 0;
      if (seconds <= 0 || response.bodyLength > limits.maxBody) return undefined;
      const names = response.headers
        .getAll('vary')
        .join()
        .toLowerCase()
        .split(/[\s,]+/)
        .filter(Boolean);
      const varies = names.map(name => [name, request.headers.getAll(name).join()] as const);
      const headers = [...response.headers].filter(([name]) => !/^(age|date|trailer)$/i.test(name));
      const madeAt = clock.monotonic() - Number(response.headers.get('age') ?? 0) * 1000;
      const until = madeAt + seconds * 1000;
      ctx.transformResponse(() =>
        collecting(limits.maxBody, body => store.set(key, { varies, headers, body, madeAt, until })),
      );
      return undefined;
    });
  },
});

/** Fields that make a response specific to one request. */
const privateFields: readonly string[] = [
  'authorization',
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
];

/** Returns whether this is a GET for the whole current resource, which any client could have sent. */
function mayBeShared({ request }: ProxyContext): boolean {
  const { headers } = request;
  if (request.method !== 'GET' || request.bodyLength !== 0 || request.upgrade !== undefined) return false;
  if (privateFields.some(name => headers.has(name))) return false;
  return !/no-cache|no-store|max-age=0\b/i.test(
    headers.getAll('cache-control').join() + headers.get('pragma'),
  );
}

/** Returns for how many seconds a response is fresh; 0: do not keep it. */
function lifetimeOf({ response }: ProxyContext): number {
  if (response?.status !== 200 || response.headers.has('set-cookie')) return 0;
  if (response.headers.getAll('vary').join().includes('*')) return 0;
  // Without a readable age the remaining lifetime is unknown.
  if (!/^\d*$/.test(response.headers.getAll('age').join())) return 0;
  const said = response.headers.getAll('cache-control').join();
  if (/no-store|no-cache|private/i.test(said)) return 0;
  const [, seconds = 0] = /s-maxage="?(\d+)/i.exec(said) ?? /max-age="?(\d+)/i.exec(said) ?? [];
  return Number(seconds);
}

function suits({ varies }: Stored, { request }: ProxyContext): boolean {
  return varies.every(([name, value]) => request.headers.getAll(name).join() === value);
}

function keyOf({ scheme, request: { host, target } }: ProxyContext): string {
  return `${scheme}://${host.toLowerCase()}${target}`;
}

/** Passes a body on unchanged, and calls `whole` with it at the end unless it is longer than `most`. */
function collecting(most: number, whole: (body: Buffer) => void): Transform {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      if (bytes <= most) chunks.push(Buffer.from(chunk));
      else chunks.length = 0;
      done(null, chunk);
    },
    flush(done) {
      if (bytes <= most) whole(Buffer.concat(chunks));
      done();
    },
  });
}

/** Bounded; the least recently used response leaves first. */
class Store {
  private readonly entries = new Map<string, Stored>();
  private readonly maxBytes: number;
  private readonly maxEntries: number;
  private bytes = 0;

  constructor(maxBytes: number, maxEntries: number) {
    this.maxBytes = maxBytes;
    this.maxEntries = maxEntries;
  }

  get(key: string): Stored | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry;
  }

  set(key: string, entry: Stored): void {
    this.delete(key);
    this.entries.set(key, entry);
    this.bytes += bytesOf(key, entry);
    for (const oldest of this.entries.keys()) {
      if (this.bytes <= this.maxBytes && this.entries.size <= this.maxEntries) return;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.bytes -= bytesOf(key, entry);
  }
}

/** Counts fields too: a small body may have many of them. */
function bytesOf(key: string, { headers, varies, body }: Stored): number {
  return key.length + body.length + 200 + [...headers, ...varies].join().length;
}
