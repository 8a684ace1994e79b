// One exchange over HTTP/2 without TLS, by node:http2 as the client.
import { once } from 'node:events';
import { connect, type IncomingHttpHeaders } from 'node:http2';

/** A response. */
export interface H2Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders | undefined;
}

/** Sends a request on a new connection; `headers` may have pseudo-fields such as `:path`. */
export async function h2Exchange(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<H2Answer> {
  const session = connect(url);
  session.on('error', () => {});
  try {
    const stream = session.request({ ':path': '/', ...headers });
    stream.end();
    let trailers: IncomingHttpHeaders | undefined;
    stream.on('trailers', given => {
      trailers = given;
    });
    const [answer] = await once(stream, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return { status: answer[':status'], headers: answer, body: Buffer.concat(chunks), trailers };
  } finally {
    session.destroy();
  }
}
