// forward-auth: asks another server whether a request may pass, as nginx's auth_request and Traefik's forwardAuth do.
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { AuthGate } from './auth-gate.ts';
import { AuthServer } from './auth-server.ts';
import { options } from './options.ts';

export type { ForwardAuthOptions } from './options.ts';

/**
 * Asks an auth server: `forwardAuth({ url: 'http://auth.internal/verify', responseHeaders: ['X-User'] })`. On 2xx a request
 * passes; on 3xx and 4xx its client gets that response; on anything else a 503.
 */
export const forwardAuth = definePlugin({
  name: 'forward-auth',
  schema: options,
  worker(side, parsed) {
    const { hooks, clock, onClose } = side;
    const server = new AuthServer({ ...parsed, url: new URL(parsed.url), clock });
    onClose(() => server.close());
    const gate = new AuthGate(parsed, server, side);
    hooks.request.tapAsync('forward-auth', (ctx, done) => gate.look(ctx, done));
    if (parsed.setCookie) hooks.respond.tap('forward-auth', ctx => gate.respond(ctx));
  },
});
