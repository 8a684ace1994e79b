// Load for chaos runs: requests of all kinds, with every response checked byte by byte and every failure recorded.
import { setTimeout as sleep } from 'node:timers/promises';
import { pattern } from './pattern.ts';
import { ConnectionLost, RawConnection, type RawResponse } from './raw-connection.ts';

/** `status`: answered with an error; `lost`: the connection ended first; `wrong`: a response that must never occur. */
export type FailureKind = 'status' | 'lost' | 'wrong';

/** A request that did not get the expected response. */
export interface Failure {
  readonly kind: FailureKind;
  readonly method: string;
  readonly target: string;
  readonly status: number | undefined;
  /** Bytes of the response that had arrived when the connection was lost. */
  readonly received: number;
  readonly why: string;
  /** Both `performance.now()`. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** The amount and kind of load. */
export interface LoadOptions {
  readonly port: number;
  /** Connections that send one request after another. */
  readonly clients: number;
  /** Between two requests of a client, ms; default 0. */
  readonly pauseMs?: number;
  /** Clients that fetch one slow body after another, each for two seconds; default 0. */
  readonly downloads?: number;
  /** Clients that upgrade and talk to an echo for two seconds, again and again; default 0. */
  readonly tunnels?: number;
  /** Default: all. */
  readonly methods?: readonly string[];
  /** Opens the connections of requests and downloads; default: HTTP/1.1 without TLS. `kept`: for several requests. */
  readonly connect?: (use: 'kept' | 'once') => LoadConnection;
}

/** A request to send: `head` and `body` as in HTTP/1.1; `payload`: the body without its framing. */
export interface LoadRequest {
  readonly method: string;
  readonly target: string;
  readonly head: string;
  readonly body: Buffer | undefined;
  readonly payload: Buffer | undefined;
}

/** A connection that takes one request at a time. */
export interface LoadConnection {
  readonly open: boolean;
  /** Rejects with ConnectionLost, or for a malformed response. */
  request(asked: LoadRequest): Promise<RawResponse>;
  destroy(): void;
}

interface Asked extends LoadRequest {
  readonly id: string;
  readonly expected: Buffer;
  /** Whether its connection is used for further requests. */
  readonly keeps: boolean;
}

let ids = 0;

/** Load, and its results. */
export class Load {
  readonly failures: Failure[] = [];
  /** Of requests on kept connections that got the expected response, ms. */
  readonly latencies: number[] = [];
  requests = 0;
  downloads = 0;
  tunnels = 0;
  private readonly options: LoadOptions;
  private readonly methods: readonly string[];
  private running: Promise<void>[] = [];
  private ending = false;

  constructor(options: LoadOptions) {
    this.options = options;
    this.methods = options.methods ?? ['GET', 'POST', 'GET', 'HEAD', 'GET'];
  }

  /** Runs load while `body` runs, then waits for everything in flight. */
  static async during(options: LoadOptions, body: (load: Load) => Promise<void>): Promise<Load> {
    const load = new Load(options);
    load.begin();
    try {
      await body(load);
    } finally {
      await load.end();
    }
    return load;
  }

  private begin(): void {
    const { clients, downloads = 0, tunnels = 0 } = this.options;
    const times = (count: number, run: (n: number) => Promise<void>) =>
      Array.from({ length: count }, (_, n) => run(n));
    this.running = [
      ...times(clients, n => this.requestsOf(n)),
      ...times(downloads, () => this.downloadsOf()),
      ...times(tunnels, () => this.tunnelsOf()),
    ];
  }

  /** Resolves when `count` more requests were answered or failed. */
  async requestsMore(count: number): Promise<void> {
    const until = this.requests + count;
    while (this.requests < until) await sleep(5);
  }

  private async end(): Promise<void> {
    this.ending = true;
    await Promise.all(this.running);
  }

  /** Counts failures by kind, such as `3 × GET status 502`. For messages and reports. */
  summary(failures: readonly Failure[] = this.failures): string {
    const counts = new Map<string, number>();
    for (const { kind, method, status, why } of failures) {
      const key = `${method} ${kind} ${status ?? why.replaceAll(/\d+/g, 'some')}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return [...counts].map(([key, count]) => `${count} × ${key}`).join('\n') || 'no failure';
  }

  private async requestsOf(client: number): Promise<void> {
    let connection: LoadConnection | undefined;
    // Every fourth client makes a connection for each request.
    const keeps = client % 4 !== 3;
    for (let n = client; !this.ending; n++) {
      if (connection === undefined || !connection.open) connection = this.connect(keeps ? 'kept' : 'once');
      const asked = ask(this.methods[n % this.methods.length] ?? 'GET', n, keeps);
      const isGood = await this.try(connection, asked);
      this.requests++;
      if (!isGood || !keeps) {
        connection.destroy();
        connection = undefined;
        // A refused client waits a little, or a dead port would be asked a million times.
        if (!isGood) await sleep(10);
      }
      if (this.options.pauseMs !== undefined) await sleep(this.options.pauseMs);
    }
    connection?.destroy();
  }

  private async downloadsOf(): Promise<void> {
    while (!this.ending) {
      const id = `d${++ids}`;
      const connection = this.connect('once');
      const target = `/slow/${id}/200000`;
      const head = headOf('GET', target, 'Connection: close\r\n');
      await this.try(connection, {
        method: 'GET',
        target,
        head,
        body: undefined,
        payload: undefined,
        id,
        expected: pattern(id, 200_000),
        keeps: false,
      });
      this.downloads++;
      connection.destroy();
    }
  }

  private async tunnelsOf(): Promise<void> {
    while (!this.ending) {
      const startedAt = performance.now();
      const target = `/echo/t${++ids}`;
      try {
        await talk(this.options.port, target);
      } catch (thrown) {
        this.fail('UPGRADE', target, startedAt, thrown);
      }
      this.tunnels++;
    }
  }

  private connect(use: 'kept' | 'once'): LoadConnection {
    return this.options.connect?.(use) ?? new RawConnection(this.options.port);
  }

  private async try(connection: LoadConnection, asked: Asked): Promise<boolean> {
    const startedAt = performance.now();
    try {
      const response = await connection.request(asked);
      const problem = check(response, asked);
      if (problem === undefined) {
        if (!response.keepAlive) connection.destroy();
        if (asked.keeps) this.latencies.push(performance.now() - startedAt);
        return true;
      }
      const kind = response.status >= 400 && !response.headers.has('x-id') ? 'status' : 'wrong';
      this.add(kind, asked.method, asked.target, startedAt, problem, response.status, 0);
    } catch (thrown) {
      this.fail(asked.method, asked.target, startedAt, thrown);
    }
    return false;
  }

  private fail(method: string, target: string, startedAt: number, thrown: unknown): void {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const isLost = thrown instanceof ConnectionLost;
    this.add(
      isLost ? 'lost' : 'wrong',
      method,
      target,
      startedAt,
      why,
      undefined,
      isLost ? thrown.received : 0,
    );
  }

  private add(
    kind: FailureKind,
    method: string,
    target: string,
    startedAt: number,
    why: string,
    status: number | undefined,
    received: number,
  ): void {
    this.failures.push({
      kind,
      method,
      target,
      status,
      received,
      why,
      startedAt,
      endedAt: performance.now(),
    });
  }
}

function headOf(method: string, target: string, more: string): string {
  return `${method} ${target} HTTP/1.1\r\nHost: chaos.example\r\n${more}\r\n`;
}

/** The n-th request of a client: sizes from 0 to 20 kB, bodies with a length and chunked. */
function ask(method: string, n: number, keepAlive: boolean): Asked {
  const id = `r${++ids}`;
  const bytes = (n * 7919) % 97 === 0 ? 20_000 : (n * 131) % 3000;
  const connection = keepAlive ? '' : 'Connection: close\r\n';
  if (method === 'POST') {
    const target = `/post/${id}/${bytes}`;
    const body = pattern(id, bytes);
    const expected = pattern(`${id}-done`, bytes);
    const isChunked = n % 3 === 0;
    const framing = isChunked ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${bytes}\r\n`;
    const head = headOf(method, target, connection + framing);
    return {
      method,
      target,
      head,
      body: isChunked ? chunks(body) : body,
      payload: body,
      id,
      expected,
      keeps: keepAlive,
    };
  }
  const target = `/${n % 2 === 0 ? 'length' : 'chunked'}/${id}/${bytes}`;
  const expected = method === 'HEAD' ? Buffer.alloc(0) : pattern(id, bytes);
  return {
    method,
    target,
    head: headOf(method, target, connection),
    body: undefined,
    payload: undefined,
    id,
    expected,
    keeps: keepAlive,
  };
}

function chunks(body: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += 700) {
    const piece = body.subarray(at, at + 700);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
}

function check(response: RawResponse, asked: Asked): string | undefined {
  if (response.status !== 200) return `status ${response.status}: ${response.body.toString().trim()}`;
  if (response.headers.get('x-id') !== asked.id) {
    return `the response of ${response.headers.get('x-id')} came for ${asked.id}`;
  }
  return response.body.equals(asked.expected) ? undefined : 'not the body that belongs to the request';
}

/** Upgrades, and exchanges twenty messages with the echo over two seconds. */
async function talk(port: number, target: string): Promise<void> {
  const { socket } = new RawConnection(port);
  socket.removeAllListeners('data');
  let text = '';
  let wake = (): void => {};
  let lost: string | undefined;
  const lose = (why: string) => (): void => {
    lost ??= why;
    wake();
  };
  socket.on('data', data => {
    text += data.toString('latin1');
    wake();
  });
  socket.on('close', lose('closed'));
  socket.on('end', lose('ended'));
  const until = async (wanted: string): Promise<void> => {
    while (!text.includes(wanted)) {
      if (lost !== undefined) throw new ConnectionLost(`the tunnel ${lost}`, text.length);
      if (/^HTTP\/1.1 [45]/.test(text)) throw new ConnectionLost(`no tunnel: ${text.slice(0, 30)}`, 0);
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    }
    if (!text.endsWith(wanted)) throw new Error(`the echo of another tunnel: ${text.slice(-100)}`);
    text = '';
  };
  try {
    socket.write(headOf('GET', target, 'Connection: Upgrade\r\nUpgrade: echo\r\n'));
    await until('\r\n\r\n');
    for (let n = 0; n < 20; n++) {
      const message = `${target} says ${n}\n`;
      socket.write(message);
      await until(message);
      await sleep(100);
    }
  } finally {
    socket.destroy();
  }
}
