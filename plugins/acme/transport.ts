// Transport: sends requests to a certificate authority, with limits, and verifies it against the authorities in the config.
import { Agent, request } from 'undici';
import { boundedText } from '../../core/bounded/bounded-text.ts';
import { describeError } from '../../core/errors.ts';
import { AcmeProblem, problemOf } from './problem.ts';

/** The longest pause within a response, and the longest time to connect, ms. */
const timeout = 30_000;
/** The longest time of a whole request, ms. */
const longest = 2 * 60_000;
/** The longest response, bytes: a certificate chain has a few KB. */
const maxAnswer = 1024 * 1024;

/** A request. */
export interface AcmeRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** A response. */
export interface AcmeAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** The collaborators of a {@link Transport}. */
export interface TransportOptions {
  /** The trusted authorities, PEM; undefined: those that Node trusts. */
  readonly ca: string | undefined;
  readonly userAgent: string;
  /** Aborts pending requests. */
  readonly signal: AbortSignal;
}

/** The connection to one authority, until `close`. */
export class Transport {
  private readonly agent: Agent;
  private readonly options: TransportOptions;

  constructor(options: TransportOptions) {
    this.options = options;
    const { ca } = options;
    this.agent = new Agent({
      connect: { timeout, ...(ca !== undefined && { ca }) },
      headersTimeout: timeout,
      bodyTimeout: timeout,
    });
  }

  /** Rejects with the problem `unreachable` if there is no response. */
  async send({ method, url, headers = {}, body }: AcmeRequest): Promise<AcmeAnswer> {
    try {
      const answer = await request(url, {
        dispatcher: this.agent,
        method,
        headers: { ...headers, 'user-agent': this.options.userAgent },
        body: body ?? null,
        signal: AbortSignal.any([this.options.signal, AbortSignal.timeout(longest)]),
      });
      const text = await boundedText(answer.body, maxAnswer);
      if (text === undefined) {
        throw new AcmeProblem({ type: 'unreachable', detail: `a response has over ${maxAnswer} bytes` });
      }
      return { status: answer.statusCode, headers: joined(answer.headers), text };
    } catch (thrown) {
      if (thrown instanceof AcmeProblem) throw thrown;
      throw new AcmeProblem({
        type: 'unreachable',
        detail: `no answer from ${url}: ${describeError(thrown)}`,
      });
    }
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }
}

function joined(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}

/** Returns how long `Retry-After` (RFC 9110 section 10.2.3) says to wait, ms; undefined: it does not say. */
export function retryAfterOf(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = /^[A-Z][a-z]{2,8}, /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** Returns the problem in a response of 400 or more. */
export function problemIn({ status, headers, text }: AcmeAnswer, url: string, now: number): AcmeProblem {
  const about = {
    detail: `${url} answered ${status}`,
    retryAfter: retryAfterOf(headers['retry-after'], now),
  };
  const problem = problemOf(parsed(text), about);
  if (problem.type !== 'about:blank') return problem;
  const type = status === 429 ? 'rateLimited' : status >= 500 ? 'serverInternal' : 'unexpected';
  return new AcmeProblem({ ...about, type });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
