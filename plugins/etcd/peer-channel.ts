// PeerChannel: carries the questions for promises between nodes, over HTTP: one small question, one small answer.
import { Agent, createServer, request, type Server } from 'node:http';
import { describeError, WeldrError } from '../../core/errors.ts';

const path = '/failsafe';
const maxBytes = 2048;
const maxConnections = 64;
const serverPatience = 2000;

/** Answers questions until `close`. */
export class PeerChannel {
  private readonly server: Server;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 4, maxTotalSockets: 64 });

  /** `answerTo` returns the answer to a question; undefined: the question is refused. */
  constructor(answerTo: (question: string) => string | undefined) {
    this.server = createServer(
      {
        maxHeaderSize: 4096,
        headersTimeout: serverPatience,
        requestTimeout: serverPatience,
        connectionsCheckingInterval: serverPatience / 2,
      },
      (incoming, outgoing) => {
        let body = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
          if (body.length > maxBytes) incoming.destroy();
        });
        incoming.on('error', () => {});
        incoming.on('end', () => {
          const given = incoming.url === path ? answerTo(body) : undefined;
          outgoing.writeHead(given === undefined ? 403 : 200, { 'content-type': 'application/json' });
          outgoing.end(given ?? '');
        });
      },
    );
    this.server.maxConnections = maxConnections;
    this.server.on('clientError', (_, socket) => socket.destroy());
  }

  /** Opens the port; resolves with false when it is in use. Rejects with CONFIG_INVALID when it can never be opened. */
  async listen(host: string, port: number): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const fail = (thrown: Error) => {
      if ('code' in thrown && thrown.code === 'EADDRINUSE') return resolve(false);
      const text = `etcd: failsafe cannot listen on ${host}:${port}: ${describeError(thrown)}`;
      reject(new WeldrError('CONFIG_INVALID', text, { field: 'failsafe.listen' }));
    };
    this.server.once('error', fail);
    this.server.listen(port, host, () => resolve(true));
    const listens = await promise;
    this.server.off('error', fail);
    if (listens) this.server.on('error', () => {});
    return listens;
  }

  /** Asks another node; resolves with its answer, undefined: none within `ms`. */
  async ask(address: string, question: string, ms: number): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const outgoing = request(`http://${address}${path}`, {
      method: 'POST',
      agent: this.agent,
      signal: AbortSignal.timeout(ms),
    });
    outgoing.on('error', () => resolve(undefined));
    outgoing.on('response', incoming => {
      let body = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
        if (body.length > maxBytes) incoming.destroy();
      });
      incoming.on('error', () => resolve(undefined));
      incoming.on('close', () => resolve(body));
    });
    outgoing.end(question);
    return await promise;
  }

  async close(): Promise<void> {
    this.agent.destroy();
    this.server.closeAllConnections();
    if (this.server.listening) await new Promise<void>(resolve => this.server.close(() => resolve()));
  }
}
