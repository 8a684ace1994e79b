// Calls to the admin API, under the path reserved for the page.

/** An error response of the admin API, from its problem details. */
export class ApiProblem extends Error {
  /** 0: there was no response. */
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

/** Resolves with the parsed response; undefined if it is empty. Throws {@link ApiProblem}. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await answerOf(method, path, body);
  const text = await response.text();
  const parsed = parseOf(text);
  if (response.ok) return parsed as T;
  if (response.status === 401 && !path.startsWith('/session')) onSignedOut();
  const { code = 'UNKNOWN', detail = `the response was ${response.status}` } = (parsed ?? {}) as {
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
    throw new ApiProblem(0, 'UNREACHABLE', 'Weldr does not respond');
  }
}

function parseOf(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Resolves with the response to a GET; undefined if this Weldr has no such path. */
export async function find<T>(path: string): Promise<T | undefined> {
  try {
    return await call<T>('GET', path);
  } catch (thrown) {
    if (thrown instanceof ApiProblem && thrown.status === 404) return undefined;
    throw thrown;
  }
}

/** The error as a text for users. */
export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
