// `weldr explain`: shows how a request would be handled, and what each plugin does with it.
import { exitCodes } from '../../core/process/exit-codes.ts';
import type { AdminClient } from '../admin-client.ts';
import { headersOf } from '../header-lines.ts';
import { explanation, explanationText } from './explanation-text.ts';
import { toJson, understood } from './servers.ts';

/** A request, as flags describe it. */
export interface RequestFlags {
  readonly method: string;
  readonly url: string;
  /** Lines such as `X-Beta: 1`. */
  readonly headers: readonly string[];
  readonly clientIp: string | undefined;
  readonly listener: string | undefined;
  readonly answer: string | undefined;
}

/** Explains a request. The exit code is 1 if Weldr itself would respond with an error. */
export async function explain(
  admin: AdminClient,
  { method, url, headers, clientIp, listener, answer }: RequestFlags,
  json: boolean,
): Promise<{ readonly text: string; readonly exitCode: number }> {
  const supposed = answer !== undefined && /^\d+$/.test(answer) ? Number(answer) : answer;
  const body = { method, url, headers: headersOf(headers), clientIp, listener, answer: supposed };
  const answered = await admin.call({ method: 'POST', path: '/explain', body });
  const explained = understood(explanation, answered);
  const exitCode = explained.response.by === 'weldr' ? exitCodes.failed : exitCodes.ok;
  return { text: json ? toJson(answered) : explanationText(explained), exitCode };
}
