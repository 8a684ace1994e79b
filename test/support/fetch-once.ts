// fetch on a connection that ends with its response: a Weldr that closes gives clients of kept ones a second to see it.

/** Fetches, and keeps no connection. */
export function fetchOnce(
  url: string,
  {
    headers,
    ...init
  }: Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Response> {
  return fetch(url, { ...init, headers: { ...headers, connection: 'close' } });
}
