// An example plugin that sends a copy of each request, body included, to another server, such as a new version under test.
// A slow, full or dead server does not affect clients: copies that are too many or too large are dropped.
import { Agent, request } from 'node:http';
import { PassThrough, Transform } from 'node:stream';
import { definePlugin, type ProxyContext, size } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** Such as `http://10.0.0.9:3000`. */
  to: z.url({ protocol: /^http$/ }),
  /** Requests with a larger body are not copied. */
  maxBody: size().default(64 * 1024),
  /** How many copies a worker may hold at a time. */
  maxCopies: z.number().int().min(1).default(100),
  /** For one copy, ms. */
  timeout: z.number().int().min(1).default(5000),
});

export const mirror = definePlugin({
  name: 'mirror',
  schema: options,
  worker({ hooks, metrics, onClose }, { to, maxBody, maxCopies, timeout }) {
    const agent = new Agent({ keepAlive: true, maxSockets: maxCopies });
    onClose(() => agent.destroy());
    const dropped = metrics.counter({ name: 'mirror_dropped_total', help: 'Requests that were not copied.' });
    let copies = 0;

    hooks.preProxy.tap('mirror', ctx => {
      if (ctx.tried.length > 1 || ctx.request.upgrade !== undefined || ctx.rehearsal) return undefined;
      if (copies >= maxCopies || ctx.request.bodyLength > maxBody) dropped.inc();
      else if (ctx.request.bodyLength === 0) send(ctx, []);
      else {
        let isSent = false;
        ctx.transformRequest(() =>
          isSent || copies >= maxCopies
            ? new PassThrough()
            : copying(chunks => {
                isSent = true;
                send(ctx, chunks);
              }),
        );
      }
      return undefined;
    });

    /** Passes a body on unchanged, and calls `whole` with it at the end. Each attempt has its own. */
    function copying(whole: (chunks: readonly Buffer[]) => void): Transform {
      const chunks: Buffer[] = [];
      let bytes = 0;
      copies++;
      return new Transform({
        transform(chunk: Buffer, _, done) {
          bytes += chunk.length;
          if (bytes <= maxBody) chunks.push(chunk);
          else chunks.length = 0;
          done(null, chunk);
        },
        flush(done) {
          if (bytes <= maxBody) whole(chunks);
          else dropped.inc();
          done();
        },
        destroy(error, done) {
          copies--;
          done(error);
        },
      });
    }

    function send({ outgoing }: ProxyContext, chunks: readonly Buffer[]): void {
      const body = Buffer.concat(chunks);
      const { method, target: path } = outgoing;
      // A copy has a length, so it has no trailers: Node throws if they are announced.
      const fields = [...outgoing.headers].filter(([name]) => !/^trailer$/i.test(name));
      const headers = [...fields, ['Content-Length', String(body.length)]].flat();
      request(to, { agent, method, path, headers, signal: AbortSignal.timeout(timeout) })
        .on('response', response => response.on('error', () => {}).resume())
        .on('error', () => dropped.inc())
        .on('close', () => copies--)
        .end(body);
      copies++;
    }
  },
});
