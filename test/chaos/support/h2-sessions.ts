// Connections of HTTP/2 over TLS for the load: clients share them, and requests that were not processed are sent again.
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import type { LoadConnection, LoadRequest } from './load.ts';
import { ConnectionLost, type RawResponse } from './raw-connection.ts';

/** The most tries of a request that no server processed. */
const mostTries = 10;

/** A few connections that all clients share. */
export class H2Sessions {
  /** Requests that were sent again because the server had not processed them. */
  retried = 0;
  private readonly port: number;
  private readonly ca: string;
  private readonly sessions: (ClientHttp2Session | undefined)[];
  private next = 0;

  /** `ca`: the issuer of the certificate for chaos.test. */
  constructor(port: number, ca: string, sessions: number) {
    this.port = port;
    this.ca = ca;
    this.sessions = Array.from({ length: sessions });
  }

  /** The connection of a client; `once`: a separate one. */
  connection(use: 'kept' | 'once'): LoadConnection {
    const own = use === 'once' ? new H2Sessions(this.port, this.ca, 1) : this;
    return {
      open: true,
      request: async asked => {
        const response = await own.request(asked);
        if (own !== this) {
          this.retried += own.retried;
          own.close();
        }
        return response;
      },
      destroy: () => {
        if (own !== this) own.close();
      },
    };
  }

  close(): void {
    for (const session of this.sessions) session?.close();
  }

  private async request(asked: LoadRequest): Promise<RawResponse> {
    for (let tries = 1; ; tries++) {
      const response = await this.try(asked);
      if (response !== 'not taken up') return response;
      if (tries === mostTries) throw new ConnectionLost('was refused again and again', 0);
      this.retried++;
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }

  private session(): ClientHttp2Session {
    const at = this.next++ % this.sessions.length;
    const known = this.sessions[at];
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const session = connect(`https://127.0.0.1:${this.port}`, { ca: this.ca, servername: 'chaos.test' });
    session.setMaxListeners(0);
    session.on('error', () => {});
    session.on('goaway', () => {
      if (this.sessions[at] === session) this.sessions[at] = undefined;
    });
    this.sessions[at] = session;
    return session;
  }

  private async try({ method, target, payload }: LoadRequest): Promise<RawResponse | 'not taken up'> {
    const session = this.session();
    return await new Promise((resolve, reject) => {
      const stream = session.request(
        { ':method': method, ':path': target },
        { endStream: payload === undefined },
      );
      let status = 0;
      const headers = new Map<string, string>();
      const pieces: Buffer[] = [];
      let isWhole = false;
      stream.on('error', () => {});
      stream.on('response', fields => {
        status = fields[':status'] ?? 0;
        for (const [name, value] of Object.entries(fields)) headers.set(name, String(value));
      });
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      stream.on('end', () => {
        isWhole = true;
      });
      stream.on('close', () => {
        const body = Buffer.concat(pieces);
        // An early answer may end with a reset which says that the rest of the body is not needed (RFC 9113 section 8.1).
        const isGood = isWhole && status > 0 && stream.rstCode === constants.NGHTTP2_NO_ERROR;
        if (isGood) resolve({ status, headers, body, keepAlive: true });
        else if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) resolve('not taken up');
        else reject(new ConnectionLost(`reset with ${stream.rstCode}`, body.length));
      });
      if (payload !== undefined) stream.end(payload);
    });
  }
}
