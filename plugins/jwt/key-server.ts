// KeyServer: fetches the keys that a provider publishes, with limits on time and size and without redirects.
import { Agent, request } from 'undici';
import { boundedText } from '../../core/bounded/bounded-text.ts';

/** The longest response, bytes: a key set has a few KB. */
const maxAnswer = 256 * 1024;

/** How to ask a provider. */
export interface KeyServerOptions {
  readonly url: string;
  /** The trusted authority, PEM; undefined: those that Node trusts. */
  readonly ca: string | undefined;
  /** For a connection, and from one byte to the next, ms. */
  readonly timeout: number;
  readonly userAgent: string;
}

/** A response of a provider. */
export interface KeyAnswer {
  /** Unchecked JSON. */
  readonly set: unknown;
  /** How long the response is fresh (RFC 9111 section 5.2.2.1), ms; undefined: unknown. */
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
      // A connection is not kept: it would be idle until the next fetch.
      keepAliveTimeout: 1,
      keepAliveMaxTimeout: 1,
    });
  }

  /** Rejects with an Error that says what is wrong. */
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
      const hint = statusCode >= 300 && statusCode < 400 ? ': configure the URL that it redirects to' : '';
      throw new Error(`it returned ${statusCode}${hint}`);
    }
    const text = await boundedText(body, maxAnswer);
    if (text === undefined) throw new Error(`its response has over ${maxAnswer} bytes`);
    return { set: parsed(text), maxAge: maxAgeOf(headers['cache-control']) };
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('its response is not JSON');
  }
}

function maxAgeOf(field: string | string[] | undefined): number | undefined {
  const text = [field ?? []].flat().join(',');
  if (/(?:^|[ ,])no-(?:store|cache)(?:$|[ ,=])/i.test(text)) return 0;
  const seconds = /(?:^|[ ,])max-age="?(\d{1,9})/i.exec(text)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
