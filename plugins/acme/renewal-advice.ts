// RenewalAdvice: when an authority wants a certificate renewed, if it says so (RFC 9773, "ARI").
import { z } from 'zod';
import type { Clock } from '../../core/time/clock.ts';
import { certificateId } from './certificate-id.ts';
import type { RenewalWindow } from './renewal.ts';
import { problemIn, retryAfterOf, type Transport } from './transport.ts';

/** How often to ask if the authority does not say; the minimum and the maximum, ms. */
const pauses = { default: 6 * 3_600_000, least: 3_600_000, most: 24 * 3_600_000 };

/** An authority's advice on one certificate. */
export interface RenewalAdvice {
  readonly window: RenewalWindow;
  /** A page with an explanation for operators, if there is one. */
  readonly explanation: string | undefined;
  /** ms. */
  readonly askAgainIn: number;
}

const directoryFields = z.looseObject({ renewalInfo: z.string().optional() });
const renewalInfo = z.looseObject({
  suggestedWindow: z.looseObject({ start: z.string(), end: z.string() }),
  explanationURL: z.string().max(1000).optional(),
});

/** The authority, and how to ask it. */
export interface AdviceSource {
  readonly directory: string;
  readonly transport: Transport;
  readonly clock: Clock;
}

/** Resolves with the URL for advice; undefined: there is none. Rejects with an AcmeProblem. */
export async function adviceUrl(source: AdviceSource): Promise<string | undefined> {
  return directoryFields.parse(JSON.parse((await ask(source.directory, source)).text)).renewalInfo;
}

/** Resolves with the advice on a certificate (PEM); undefined: there is none. Rejects with an AcmeProblem. */
export async function askAdvice(
  baseUrl: string,
  cert: string,
  source: AdviceSource,
): Promise<RenewalAdvice | undefined> {
  const id = certificateId(cert);
  if (id === undefined) return undefined;
  const answer = await ask(`${baseUrl.replace(/\/$/, '')}/${id}`, source);
  const { suggestedWindow, explanationURL } = renewalInfo.parse(JSON.parse(answer.text));
  const window = { start: Date.parse(suggestedWindow.start), end: Date.parse(suggestedWindow.end) };
  // Section 4.2: an invalid window is ignored.
  if (!(window.start < window.end)) return undefined;
  const wanted = retryAfterOf(answer.headers['retry-after'], source.clock.now()) ?? pauses.default;
  return {
    window,
    explanation: explanationURL,
    askAgainIn: Math.min(pauses.most, Math.max(pauses.least, wanted)),
  };
}

async function ask(url: string, { transport, clock }: AdviceSource) {
  const answer = await transport.send({ method: 'GET', url });
  if (answer.status >= 400) throw problemIn(answer, url, clock.now());
  return answer;
}
