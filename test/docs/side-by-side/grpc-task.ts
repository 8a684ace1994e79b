// The gRPC task of the pages that compare Weldr with another proxy: a call passes in both directions.
import * as assert from 'uvu/assert';
import { grpcClient, shop, startGrpcServer, unary } from '../../support/grpc.ts';
import type { Test } from '../../support/suite.ts';
import type { SideBySide } from './side-by-side.ts';

/** Registers the task of this title; its server runs until the end of the suite. */
export async function grpcTask(page: SideBySide, test: Test, title: string): Promise<void> {
  const grpc = await startGrpcServer(
    {
      unary: (call: { request: Buffer }, done: (error: null, answer: Buffer) => void) =>
        done(null, call.request),
    },
    { service: { unary: shop.unary } },
  );
  test.after(() => grpc.close());

  page.task(
    title,
    async proxy => {
      const caller = grpcClient(proxy.port(80));
      const { messages } = await unary(caller, Buffer.from('hi'));
      caller.close();
      assert.is(String(messages[0]), 'hi');
    },
    { servers: () => ({ '10.0.0.1:50051': grpc.port }) },
  );
}
