// KeyServer: fetches the keys that a provider publishes: so long, so much, from nowhere else.
import { Agent, request } from 'undici';

/** A set of keys has a few KB, bytes. */
const maxAnswer = 256 * 1024;

/** How a provider is asked. */
export interface KeyServerOptions {
  readonly url: string;
  /** PEM of who is trusted; undefined: whom Node trusts. */
  readonly ca: string | undefined;
  /** For a connection, and from one byte to the next, ms. */
  readonly timeout: number;
  readonly userAgent: string;
}

/** What a provider answered. */
export interface KeyAnswer {
  /** JSON; it may be anything. */
  readonly set: unknown;
  /** How long the answer is fresh (RFC 9111 section 5.2.2.1), ms; undefined: it does not say. */
  readonly maxAge: number | undefined;
}

/** One provider. */
export class KeyServer {
  private readonly options: KeyServerOptions;
  private readonly agent: Agent;

  constructor(options: KeyServerOptions) {
    this.options = options;
    const { ca, timeout } = options;
    this.agent = new Agent({
      connect: { timeout, ...(ca !== undefined && { ca }) },
      headersTimeout: timeout,
      bodyTimeout: timeout,
      // A kept connection is of no use until the next time.
      keepAliveTimeout: 1,
      keepAliveMaxTimeout: 1,
    });
  }

  /** Rejects with what is wrong, in words. */
  async fetch(signal: AbortSignal): Promise<KeyAnswer> {
    const { statusCode, headers, body } = await request(this.options.url, {
      dispatcher: this.agent,
      headers: {
        accept: 'application/jwk-set+json, application/json;q=0.9',
        'user-agent': this.options.userAgent,
      },
      signal,
    });
    if (statusCode !== 200) {
      await body.dump({ limit: maxAnswer, signal }).catch(() => {});
      const hint = statusCode >= 300 && statusCode < 400 ? ': give the URL that it leads to' : '';
      throw new Error(`it answered ${statusCode}${hint}`);
    }
    return { set: parsed(await textOf(body)), maxAge: maxAgeOf(headers['cache-control']) };
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > maxAnswer) throw new Error(`it answered over ${maxAnswer} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it answered what is no JSON');
  }
}

function maxAgeOf(field: string | string[] | undefined): number | undefined {
  const text = [field ?? []].flat().join(',');
  if (/(?:^|[ ,])no-(?:store|cache)(?:$|[ ,=])/i.test(text)) return 0;
  const seconds = /(?:^|[ ,])max-age="?(\d{1,9})/i.exec(text)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
