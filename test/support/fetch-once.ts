// fetch on a connection that ends with its response: a closing Weldr would wait a second for clients of kept connections.

/** Fetches without keeping the connection. */
export function fetchOnce(
  url: string,
  {
    headers,
    ...init
  }: Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Response> {
  return fetch(url, { ...init, headers: { ...headers, connection: 'close' } });
}
