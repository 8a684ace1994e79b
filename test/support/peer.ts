// The facts of a client's connection, for tests without sockets.
import type { Peer } from '../../core/http/exchange/streams.ts';

/** A client on this machine, without TLS. */
export const localPeer: Peer = {
  ip: '127.0.0.1',
  port: 1,
  localIp: '127.0.0.1',
  localPort: 2,
  listener: '',
  trusted: false,
  tls: undefined,
  proxy: undefined,
  scheme: 'http',
  certified: '',
  described: '',
  describedHost: undefined,
};
