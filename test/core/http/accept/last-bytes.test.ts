// The last bytes of a response reach a slow client, although its connection ends with them.
import { Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { Acceptor } from '../../../../core/http/accept/acceptor.ts';
import { UpstreamConnector } from '../../../../core/http/accept/upstream-connector.ts';
import type { AcceptedConnection } from '../../../../core/http/exchange/connections.ts';
import { Wire } from '../../../../core/http/exchange/wire.ts';
import { FrameWriter } from '../../../../core/http/h2/frame-writer.ts';
import { HpackEncoder } from '../../../../core/http/h2/hpack-encoder.ts';
import { NameLookups } from '../../../../core/http/upstream/name-lookups.ts';
import { OwnAddresses } from '../../../../core/http/upstream/own-addresses.ts';
import { Pools } from '../../../../core/pool/pools.ts';
import { reply } from '../../../../core/request/reply.ts';
import { settingsSchema } from '../../../../core/settings/settings.ts';
import { createHooks } from '../../../../core/stages/request-hooks.ts';
import { Stages } from '../../../../core/stages/stages.ts';
import { collectingLogger } from '../../../../core/testing/log-lines.ts';
import { systemClock } from '../../../../core/time/clock.ts';
import { localPeer } from '../../../support/peer.ts';
import { suite } from '../../../support/suite.ts';
import { until } from '../../../support/until.ts';

const test = suite('the last bytes of a connection');

const body = 'x'.repeat(40_000);
/** Longer than a connection with nothing to send stays open, ms. */
const pause = 3_500;

/** A client that reads nothing until the test says so. */
class SlowClient extends Socket {
  bytes = 0;
  private readonly held: (() => void)[] = [];
  private takes = false;

  override _write(chunk: Buffer | string, _: BufferEncoding, done: () => void): void {
    this.bytes += chunk.length;
    this.hold(done);
  }

  override _writev(chunks: { chunk: Buffer | string }[], done: () => void): void {
    for (const { chunk } of chunks) this.bytes += chunk.length;
    this.hold(done);
  }

  override _final(done: () => void): void {
    done();
  }

  override _read(): void {}

  catchUp(): void {
    this.takes = true;
    for (const done of this.held.splice(0)) done();
  }

  private hold(done: () => void): void {
    if (this.takes) done();
    else this.held.push(done);
  }
}

/** A connection whose requests all get {@link body}, and its client. */
function open(
  protocol: 'h2' | 'http/1.1',
  timeouts = {},
): { client: SlowClient; connection: AcceptedConnection; isOver: () => boolean; close: () => void } {
  const settings = settingsSchema.parse({ logLevel: 'silent', timeouts });
  const hooks = createHooks(() => {});
  hooks.request.tap('all', () => reply(200, body));
  const wire = new Wire(
    { stages: Stages.of(hooks), pools: new Pools(), settings, log: collectingLogger([]) },
    new UpstreamConnector(settings.limits, {
      lookup: new NameLookups(systemClock).lookup,
      own: new OwnAddresses(),
    }),
  );
  let over = false;
  const keeper = {
    forget: () => {
      over = true;
    },
  };
  const client = new SlowClient();
  const connection = new Acceptor(wire, keeper).accept(client as Socket, localPeer, protocol);
  return { client, connection, isOver: () => over, close: () => wire.close() };
}

function http2Request(): Buffer[] {
  const writer = new FrameWriter();
  writer.preface();
  writer.settings([]);
  const encoder = new HpackEncoder();
  encoder.begin();
  for (const [name, value] of [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', 'a'],
    [':path', '/'],
  ] as const) {
    encoder.field(name, value);
  }
  writer.headers(1, Buffer.from(encoder.end()), 'end');
  const batch = writer.take();
  return (Array.isArray(batch) ? batch : [batch]).map(bytes => Buffer.from(bytes));
}

const requests = {
  'http/1.1': [Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')],
  h2: http2Request(),
} as const;

const protocols = ['http/1.1', 'h2'] as const;

/** Responds to a request and ends its connection before the client has read anything. */
async function answered(protocol: 'h2' | 'http/1.1', timeouts = {}): Promise<ReturnType<typeof open>> {
  const opened = open(protocol, timeouts);
  const { client, connection } = opened;
  for (const bytes of requests[protocol]) client.push(bytes);
  await until('the response', () => client.bytes > 0);
  if (protocol === 'h2') connection.closeIfIdle();
  return opened;
}

test('wait for a client that reads them late', async () => {
  const all = await Promise.all(protocols.map(protocol => answered(protocol)));
  await new Promise(resolve => setTimeout(resolve, pause));
  for (const { client, isOver, close } of all) {
    assert.is(client.destroyed, false);
    client.catchUp();
    await until('the end', isOver);
    assert.ok(client.bytes > body.length, `${client.bytes} of over ${body.length} bytes`);
    close();
  }
});

test('do not wait for a client that reads nothing', async () => {
  for (const protocol of protocols) {
    const { client, isOver, close } = await answered(protocol, { body: 500 });
    await until('the end', isOver);
    assert.is(client.destroyed, true);
    close();
  }
});
