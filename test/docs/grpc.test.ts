// The gRPC example of docs/configuring.md, run with other ports between a client and servers of grpc-js.
import { readFileSync } from 'node:fs';
import type { handleUnaryCall } from '@grpc/grpc-js';
import { status as grpcStatus } from '@grpc/grpc-js';
import * as assert from 'uvu/assert';
import { codeBlocks } from '../support/doc-blocks.ts';
import { grpcClient, healthService, shop, startGrpcServer, unary } from '../support/grpc.ts';
import { suite } from '../support/suite.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('the gRPC example');

const page = readFileSync(new URL('../../docs/configuring.md', import.meta.url), 'utf8');
const block = codeBlocks(page, 'ts').find(text => text.includes('grpc: true')) ?? '';

type Unary = handleUnaryCall<Buffer, Buffer>;
const serving = 1;
const notServing = 2;

test('sends calls to the servers that report themselves healthy', async () => {
  const called: string[] = [];
  const start = (name: string, health: number) => {
    const methods: Record<'unary' | 'check', Unary> = {
      unary(call, done) {
        called.push(name);
        done(null, call.request);
      },
      check: (_, done) => done(null, Buffer.from([8, health])),
    };
    const { unary } = shop;
    return startGrpcServer(methods, { service: { unary, ...healthService } });
  };
  const well = await start('well', serving);
  const unwell = await start('unwell', notServing);
  const config = block
    .replace('127.0.0.1:8080', '127.0.0.1:0')
    .replace('50051', String(well.port))
    .replace('50052', String(unwell.port));
  const weldr = await startWeldr({ config, workers: 1 });
  const client = grpcClient(Number(new URL(weldr.url).port));
  try {
    const down = await weldr.logged(({ msg }) => msg.includes('is down'));
    assert.match(down.msg, /NOT_SERVING$/);
    called.length = 0;
    for (let n = 0; n < 4; n++) {
      const { messages, status } = await unary(client, Buffer.from('hi'));
      assert.equal([status.code, String(messages[0])], [grpcStatus.OK, 'hi']);
    }
    assert.equal(called, ['well', 'well', 'well', 'well']);
  } finally {
    client.close();
    await weldr.stop();
    well.close();
    unwell.close();
  }
});
