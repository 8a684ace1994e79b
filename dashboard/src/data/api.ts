// Calls to the admin API, by the way that is kept for the page.

/** What the admin API answered in place of what was asked for, as its problem details say. */
export class ApiProblem extends Error {
  /** 0: there was no answer. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** Called when a session is over. */
let onSignedOut = (): void => {};

export function whenSignedOut(fn: () => void): void {
  onSignedOut = fn;
}

export const apiPath = (path: string): string => `api${path}`;

/** The parsed answer; undefined where there is none. Throws {@link ApiProblem}. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await answerOf(method, path, body);
  const text = await response.text();
  const parsed = parseOf(text);
  if (response.ok) return parsed as T;
  if (response.status === 401 && !path.startsWith('/session')) onSignedOut();
  const { code = 'UNKNOWN', detail = `the answer was ${response.status}` } = (parsed ?? {}) as {
    code?: string;
    detail?: string;
  };
  throw new ApiProblem(response.status, code, detail);
}

async function answerOf(method: string, path: string, body: unknown): Promise<Response> {
  try {
    return await fetch(apiPath(path), {
      method,
      headers: { 'weldr-page': '1' },
      cache: 'no-store',
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiProblem(0, 'UNREACHABLE', 'Weldr does not answer');
  }
}

function parseOf(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The answer to a GET; undefined where this Weldr has no such thing. */
export async function find<T>(path: string): Promise<T | undefined> {
  try {
    return await call<T>('GET', path);
  } catch (thrown) {
    if (thrown instanceof ApiProblem && thrown.status === 404) return undefined;
    throw thrown;
  }
}

/** What went wrong, for people. */
export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
