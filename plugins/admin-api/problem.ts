// Problem: errors in responses of the admin API: problem details of RFC 9457.

import { WeldrError } from '../../core/errors.ts';
import type { AdminAnswer } from '../../core/plugin/admin.ts';

/** The body of an error response. */
export interface Problem {
  /** Such as `urn:weldr:problem:not-found`. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  /** The path of the wrong field. */
  readonly field?: string;
}

/** Returns the answer for an error. Anything but a WeldrError is a defect, whose text stays in the log. */
export function problemAnswer(thrown: unknown, headers: Readonly<Record<string, string>> = {}): AdminAnswer {
  const error =
    thrown instanceof WeldrError ? thrown : new WeldrError('INTERNAL', 'a defect in Weldr; see its log');
  const { code, status, message, field } = error;
  const problem: Problem = {
    type: `urn:weldr:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: code === 'METHOD_NOT_ALLOWED' ? 'this path does not support this method' : error.title,
    status,
    detail: message,
    code,
    ...(field === undefined || field === '' ? {} : { field }),
  };
  const remedy: Record<string, string> = status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {};
  if (code === 'OVERLOADED') remedy['Retry-After'] = '1';
  return {
    status,
    body: JSON.stringify(problem),
    contentType: 'application/problem+json',
    headers: { ...remedy, ...headers },
  };
}
