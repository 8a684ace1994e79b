// Exchange: joins streams of any protocol. Here the client's stream knows nothing about HTTP/1.1, while the upstream's does.
import { lookup } from 'node:dns';
import type { Duplex } from 'node:stream';
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../../core/errors.ts';
import { UpstreamConnector } from '../../../../core/http/accept/upstream-connector.ts';
import type {
  ClientStream,
  InboundRequest,
  OutboundResponse,
  RequestReceiver,
} from '../../../../core/http/exchange/streams.ts';
import { Wire } from '../../../../core/http/exchange/wire.ts';
import { OwnAddresses } from '../../../../core/http/upstream/own-addresses.ts';
import { Pools } from '../../../../core/pool/pools.ts';
import { HeaderList } from '../../../../core/request/headers.ts';
import { settingsSchema } from '../../../../core/settings/settings.ts';
import { createHooks } from '../../../../core/stages/request-hooks.ts';
import { Stages } from '../../../../core/stages/stages.ts';
import { collectingLogger } from '../../../../core/testing/log-lines.ts';
import { upstreamRecord } from '../../../../core/testing/pool.ts';
import { suite } from '../../../support/suite.ts';
import { until } from '../../../support/until.ts';
import { type Script, ScriptedOrigin } from '../../../wire/support/scripted-origin.ts';

const test = suite('Exchange');

/** A stream that takes only payload, as HTTP/2 streams do, and keeps what it receives. */
class FakeClientStream implements ClientStream {
  limitBody(): boolean {
    return true;
  }

  readonly isGrpc = false;
  readonly peer = {
    ip: '192.0.2.1',
    port: 1,
    localPort: 443,
    listener: '',
    trusted: false,
    tls: undefined,
    certified: '',
    localIp: '127.0.0.1',
    proxy: undefined,
    scheme: 'http' as const,
    described: '',
    describedHost: undefined,
  };
  readonly takes = 'payload';
  requestComplete = true;
  answered = false;
  status = 0;
  length: number | undefined = undefined;
  body = '';
  ended = false;
  finished = false;
  wasCut = false;
  /** Called when the body is wanted. */
  onWanted: (() => void) | undefined = undefined;

  takeSmallBody(): undefined {
    return undefined;
  }
  bodyArrived(): boolean {
    return true;
  }
  gatherBody(): void {}
  resumeBody(): void {
    this.onWanted?.();
  }
  readNoMore(): void {}
  awaitStage(): void {}
  stageDone(): void {}
  echo(): string {
    return '';
  }
  writeInterim(): boolean {
    return true;
  }
  writeHead({ status, length }: OutboundResponse): void {
    this.status = status;
    this.length = length;
  }
  writeBody(buffer: Buffer, start: number, end: number): boolean {
    this.answered = true;
    this.body += buffer.toString('latin1', start, end);
    return true;
  }
  writeBodyLine(): void {
    throw new Error('a chunk size for a stream that takes payload');
  }
  endBody(): void {
    this.ended = true;
  }
  flush(): boolean {
    this.answered = true;
    return true;
  }
  finish(): void {
    this.finished = true;
  }
  cut(): void {
    this.wasCut = true;
  }
  switchProtocols(): { readonly socket: Duplex; readonly rest: Buffer } {
    throw new Error('not tried here');
  }
  onTunnelClosed(): void {}
}

function request(facts: Partial<InboundRequest> = {}): InboundRequest {
  return {
    method: 'GET',
    target: '/',
    version: '1.1',
    host: 'a.test',
    headers: new HeaderList(),
    length: 0,
    form: 'payload',
    upgrade: undefined,
    via: '',
    maxForwards: undefined,
    hasForwarding: false,
    takesTrailers: false,
    expectContinue: false,
    ...facts,
  };
}

interface Ends {
  readonly origin: ScriptedOrigin;
  readonly wire: Wire;
  /** Requests that finished in the stages. */
  finished(): number;
}

async function withWire(script: Script, use: (ends: Ends) => Promise<void>): Promise<void> {
  const origin = await ScriptedOrigin.start(script);
  const hooks = createHooks(() => {});
  const pools = new Pools();
  pools.default.set(upstreamRecord(origin.url));
  hooks.selectUpstream.tap('first', ({ pool }) => pool.available[0]);
  let finished = 0;
  hooks.finished.tap('count', () => {
    finished++;
  });
  const settings = settingsSchema.parse({});
  const wire = new Wire(
    { stages: Stages.of(hooks), pools, settings, log: collectingLogger([]) },
    new UpstreamConnector(settings.limits, { lookup, own: new OwnAddresses() }),
  );
  try {
    await use({ origin, wire, finished: () => finished });
  } finally {
    wire.close();
    await origin.close();
  }
}

/** Takes an exchange for a stream, as a protocol would. */
function exchangeFor(wire: Wire, client: ClientStream): RequestReceiver {
  return wire.exchanges.take(client);
}

test('a chunked response reaches a stream that takes no chunks as payload', async () => {
  const answer = (): string =>
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n';
  await withWire({ answer }, async ({ wire }) => {
    const client = new FakeClientStream();
    exchangeFor(wire, client).begin(request());
    await until('the response', () => client.finished);
    assert.equal(
      [client.status, client.length, client.body, client.ended],
      [200, undefined, 'abcdefg', true],
    );
  });
});

test('payload of unknown length reaches an HTTP/1.1 upstream in chunks', async () => {
  await withWire({}, async ({ origin, wire }) => {
    const client = new FakeClientStream();
    client.requestComplete = false;
    const exchange = exchangeFor(wire, client);
    client.onWanted = () => {
      client.onWanted = undefined;
      exchange.onRequestBytes(Buffer.from('0123456789abcdef'));
      exchange.onRequestBytes(Buffer.alloc(0));
      exchange.onRequestBytes(Buffer.from('end'));
      client.requestComplete = true;
      exchange.onRequestEnd(undefined);
    };
    exchange.begin(request({ method: 'POST', length: -1 }));
    await until('the response', () => client.finished);
    assert.equal(origin.problems, []);
    assert.equal(
      origin.requests.map(({ framing, body }) => [framing, body]),
      [['chunked', '0123456789abcdefend']],
    );
  });
});

test('a finished exchange is reused for the next request', async () => {
  await withWire({}, async ({ wire, finished }) => {
    const [first, second] = [new FakeClientStream(), new FakeClientStream()];
    const exchange = exchangeFor(wire, first);
    exchange.begin(request());
    await until('the first response', () => first.finished);
    assert.is(exchangeFor(wire, second), exchange);
    exchange.begin(request({ target: '/second' }));
    await until('the second response', () => second.finished);
    assert.is(finished(), 2);
  });
});

test('a refusal without a request is sent, and runs the finished stage', async () => {
  await withWire({}, async ({ wire, finished }) => {
    const client = new FakeClientStream();
    exchangeFor(wire, client).refuse(new WeldrError('BAD_REQUEST'));
    assert.equal(
      [client.status, client.body, client.finished, finished()],
      [400, '400 the request is malformed or ambiguous\n', true, 1],
    );
  });
});

test('a request that cannot be completed after its response has begun cuts its stream', async () => {
  const answer = (): string => 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc';
  await withWire({ answer }, async ({ origin, wire, finished }) => {
    const client = new FakeClientStream();
    exchangeFor(wire, client).begin(request());
    await until('a part of the body', () => client.body === 'abc');
    origin.connections[0]?.cut();
    await until('the end', () => client.wasCut);
    assert.equal([client.finished, finished()], [false, 1]);
  });
});
