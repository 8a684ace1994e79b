// Builds the facts that a matcher looks at from those that a test needs.
import { HeaderList } from '../../../core/request/headers.ts';
import type { MatchFacts } from '../../../core/request/matcher.ts';
import { RequestPath } from '../../../core/request/path.ts';

export interface FactOptions {
  readonly target?: string;
  readonly method?: string;
  readonly host?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly clientIp?: string;
  readonly scheme?: 'http' | 'https';
  readonly listener?: string;
}

/** The facts of `GET /` for example.com from 192.0.2.1 on the listener `public`, unless a test says otherwise. */
export function facts(options: FactOptions = {}): MatchFacts {
  const headers = new HeaderList();
  for (const [name, value] of options.headers ?? []) headers.append(name, value);
  return {
    method: options.method ?? 'GET',
    host: options.host ?? 'example.com',
    path: new RequestPath(options.target ?? '/'),
    headers,
    clientIp: options.clientIp ?? '192.0.2.1',
    scheme: options.scheme ?? 'http',
    listener: options.listener ?? 'public',
  };
}
