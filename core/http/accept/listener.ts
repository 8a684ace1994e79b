// Listener: accepts clients' connections for one worker, within limits, and drains them when the worker ends.

import type { SendHandle } from 'node:child_process';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TlsMaterial } from '../../certificates/listener-tls.ts';
import { RefusalLog } from '../../log/refusal-log.ts';
import { hostAndPort } from '../../network/host-text.ts';
import { NetworkSet } from '../../network/network.ts';
import type { ListenEntry } from '../../settings/listen.ts';
import { type ConnectionCounts, type ConnectionInfo, noConnections } from '../../stages/connection-info.ts';
import { systemClock } from '../../time/clock.ts';
import type { AcceptedConnection, ConnectionKeeper } from '../exchange/connections.ts';
import type { Peer } from '../exchange/streams.ts';
import { Wire, type WireOptions } from '../exchange/wire.ts';
import { NameLookups } from '../upstream/name-lookups.ts';
import { OwnAddresses } from '../upstream/own-addresses.ts';
import { Acceptor } from './acceptor.ts';
import { AddressCounts } from './address-counts.ts';
import { connectionsWithin, descriptorLimit } from './descriptor-limit.ts';
import { protocolOf } from './first-line.ts';
import { Handshake } from './handshake.ts';
import { addressOf, infoOf, introducedPeer, peerOf } from './peer.ts';
import { ProxyReader } from './proxy-reader.ts';
import { TlsTerminator } from './tls-terminator.ts';
import { UpstreamConnector } from './upstream-connector.ts';
import { WindDown } from './wind-down.ts';

/** A drain closes connections at once that have had no request for this long, ms. */
const quietTime = 1_000;
/** How many connections may wait to be accepted; the system may allow fewer (Linux: net.core.somaxconn). */
const backlog = 4096;

/** How the connections of one entry of `listen` are treated. */
interface Entrance {
  readonly terminator: TlsTerminator | undefined;
  readonly http2: boolean;
  /** The proxies that must introduce connections with a PROXY header; undefined if clients connect directly. */
  readonly proxies: NetworkSet | undefined;
}

/** One worker's listening side, which may serve several addresses. */
export class Listener implements ConnectionKeeper {
  private readonly wire: Wire;
  private readonly own = new OwnAddresses();
  private readonly acceptor: Acceptor;
  private readonly servers: Server[] = [];
  private readonly open = new Set<AcceptedConnection>();
  private readonly perAddress = new AddressCounts();
  private readonly waiting: (() => void)[] = [];
  /** Set while some addresses are moving to another machine. */
  private leaving: WindDown | undefined;
  private readonly maxConnections: number;
  private readonly refusals: RefusalLog;
  private readonly terminators = new Map<string, TlsTerminator>();
  /** Session ticket keys: this process's own until the manager sends those that all workers share. */
  private ticketKeys: Buffer = process.getBuiltinModule('node:crypto').randomBytes(48);

  /** `lookups`: resolves the names of upstreams. */
  constructor(options: WireOptions, lookups = new NameLookups(systemClock)) {
    this.wire = new Wire(
      options,
      new UpstreamConnector(options.settings.limits, { lookup: lookups.lookup, own: this.own }),
    );
    this.acceptor = new Acceptor(this.wire, this);
    this.refusals = new RefusalLog(options.log, systemClock);
    const wanted = options.settings.limits.connections;
    this.maxConnections = connectionsWithin(wanted, descriptorLimit());
    if (this.maxConnections < wanted) {
      const facts = { wanted, allowed: this.maxConnections };
      options.log.info(
        facts,
        'the open file limit allows fewer client connections than configured; raise it (ulimit -n)',
      );
    }
  }

  /** How many client connections are open. */
  get connections(): number {
    return this.open.size;
  }

  /** How many requests are in flight. */
  get activeRequests(): number {
    let active = 0;
    for (const connection of this.open) active += connection.activeRequests;
    return active;
  }

  /** Counts all connections by kind and state, and the requests that wait for an upstream connection. */
  connectionCounts(): ConnectionCounts {
    const counts = noConnections();
    for (const { kind, activeRequests } of this.open) {
      counts.client[kind][activeRequests > 0 ? 'active' : 'idle']++;
    }
    this.wire.upstreams.count(counts);
    return counts;
  }

  /** Adds an address that this Weldr listens on, `HOST:PORT` or `unix:/PATH`: no upstream may have it. */
  avoid(address: string): void {
    this.own.add(address);
  }

  /** Accepts the connections of a listening socket. */
  serve(listening: SendHandle, entry: ListenEntry = { name: '', kind: 'tcp' }): void {
    const { proxyProtocol, tls } = entry;
    const entrance: Entrance = {
      terminator: tls === undefined ? undefined : this.newTerminator(entry, tls),
      http2: entry.http2 === true,
      proxies: proxyProtocol === undefined ? undefined : new NetworkSet(proxyProtocol.trusted),
    };
    // Read once, from the first connection: it takes a system call, and is the same for all connections.
    let port = entry.kind === 'unix' ? 0 : undefined;
    const own = createServer({ allowHalfOpen: true }, socket => {
      port ??= socket.localPort;
      const ip = addressOf(socket, entry.kind);
      if (ip === undefined) {
        socket.destroy();
        return;
      }
      const peer = peerOf(socket, { ip, localPort: port ?? 0, listener: entry.name }, this.wire.forwarding);
      if (entrance.proxies === undefined) this.accept(socket, peer, entrance);
      else this.readProxyHeader(socket, peer, entrance, entrance.proxies);
    });
    own.on('error', error => this.wire.log.error({ err: error }, 'cannot accept connections'));
    // Without the argument, Node would reduce the backlog of the shared socket to 511.
    own.listen(listening, backlog);
    this.servers.push(own);
    const address = own.address();
    if (typeof address === 'object' && address !== null) this.avoid(addressText(address));
  }

  /**
   * Stops accepting, and ends each connection with its current response. Resolves when all are closed; those left after
   * `timeoutMs` are cut.
   */
  async drain(timeoutMs: number): Promise<void> {
    const { wire } = this;
    wire.draining = true;
    for (const server of this.servers.splice(0)) server.close();
    const started = performance.now();
    // A client may be sending its next request right now, so a connection that was just used stays open for a moment. A
    // response then says that it is the last. The sweep runs after the reads of a turn: a request that has arrived makes its
    // connection busy.
    const sweep = setInterval(() => setImmediate(() => this.closeQuiet()), 50);
    setImmediate(() => this.closeQuiet());
    if (this.open.size > 0) {
      await new Promise<void>(resolve => {
        const limit = setTimeout(resolve, Math.max(0, timeoutMs - (performance.now() - started)));
        this.waiting.push(() => {
          clearTimeout(limit);
          resolve();
        });
      });
    }
    clearInterval(sweep);
    this.close();
  }

  /**
   * Ends the connections made to addresses that are moving to another machine, including those that arrive until the move is
   * `over`. Resolves when the step is done.
   */
  async windDown(
    step: 'begin' | 'finish' | 'over',
    addresses: readonly string[],
    withinMs: number,
  ): Promise<void> {
    const { open, wire } = this;
    if (step === 'begin') this.leaving = undefined;
    this.leaving ??= new WindDown({ addresses, open, now: () => wire.deadlines.touch() });
    if (step !== 'over') return await this.leaving[step](withinMs);
    this.leaving.cut();
    this.leaving = undefined;
  }

  /** Cuts everything now. */
  close(): void {
    for (const server of this.servers.splice(0)) server.close();
    for (const connection of [...this.open]) connection.stop();
    this.wire.close();
  }

  forget(connection: AcceptedConnection): void {
    this.release(connection, undefined);
  }

  private release(connection: AcceptedConnection, refused: ConnectionInfo['refused']): void {
    if (!this.open.delete(connection)) return;
    this.perAddress.remove(connection.peer.ip);
    this.reportFinished(connection.peer, refused);
    this.wakeIfEmpty();
  }

  private wakeIfEmpty(): void {
    if (this.open.size === 0) for (const resolve of this.waiting.splice(0)) resolve();
  }

  private closeQuiet(): void {
    const before = this.wire.deadlines.touch() - quietTime;
    for (const connection of [...this.open]) {
      if (connection.idleSince <= before) connection.closeIfIdle();
    }
  }

  /** Uses these ticket keys and certificates for later handshakes. `materials`: by the name of the listener. */
  changeTls(ticketKeys: Buffer, materials: Readonly<Record<string, TlsMaterial>>): void {
    this.ticketKeys = ticketKeys;
    for (const [name, terminator] of this.terminators) {
      const material = materials[name];
      if (material !== undefined) terminator.change(material, ticketKeys);
    }
  }

  private newTerminator({ name, http2 }: ListenEntry, material: TlsMaterial): TlsTerminator {
    const protocols = http2 ? ['h2', 'http/1.1'] : ['http/1.1'];
    const terminator = new TlsTerminator(material, this.ticketKeys, protocols);
    this.terminators.set(name, terminator);
    return terminator;
  }

  /** Reads the PROXY header, which names the client. From then on, the connection counts as the client's. */
  private readProxyHeader(socket: Socket, proxy: Peer, entrance: Entrance, trusted: NetworkSet): void {
    const { deadlines, forwarding, settings } = this.wire;
    if (!trusted.has(proxy.ip)) {
      socket.destroy();
      this.refuseProxy(proxy, `${proxy.ip} is not in proxyProtocol.trusted`);
      return;
    }
    if (this.open.size >= this.maxConnections) {
      socket.destroy();
      this.reportFinished(proxy, 'limit');
      return;
    }
    deadlines.touch();
    const waiting = new Handshake(socket, proxy, deadlines, settings.timeouts.header);
    this.open.add(waiting);
    new ProxyReader(socket, {
      onHeader: header => {
        waiting.end();
        // The listener may have ended it meanwhile.
        if (!this.open.delete(waiting)) return;
        this.accept(socket, introducedPeer(socket, proxy, header, forwarding), entrance);
      },
      onNone: reason => {
        waiting.end();
        if (!this.open.delete(waiting)) return;
        const late = waiting.isLate ? `no PROXY header within ${settings.timeouts.header} ms` : undefined;
        const problem = late ?? reason;
        // A connection closed before its first byte is a balancer checking that the port is open.
        if (problem === undefined) this.reportFinished(proxy);
        else this.refuseProxy(proxy, problem);
        this.wakeIfEmpty();
      },
    });
  }

  private refuseProxy(proxy: Peer, reason: string): void {
    this.refusals.note(
      { peer: proxy.ip, listener: proxy.listener, reason },
      `refused a connection to ${proxy.listener}, which expects the PROXY protocol: ${reason}`,
    );
    this.reportFinished(proxy, 'proxyProtocol');
  }

  private accept(socket: Socket, peer: Peer, { terminator, http2 }: Entrance): void {
    const { limits } = this.wire.settings;
    const most = limits.connectionsPerAddress ?? Number.POSITIVE_INFINITY;
    if (this.open.size >= this.maxConnections || this.perAddress.of(peer.ip) >= most) {
      // Over TLS no response can be sent before the handshake.
      if (terminator === undefined) this.acceptor.turnAway(socket);
      else socket.destroy();
      this.reportFinished(peer, 'limit');
      this.wakeIfEmpty();
      return;
    }
    this.wire.deadlines.touch();
    this.perAddress.add(peer.ip);
    if (terminator !== undefined) this.shakeHands(socket, peer, terminator);
    else if (http2) this.find(socket, peer);
    else this.take(socket, peer, 'http/1.1');
  }

  private shakeHands(socket: Socket, peer: Peer, terminator: TlsTerminator): void {
    const { deadlines, settings } = this.wire;
    const handshake = new Handshake(socket, peer, deadlines, settings.timeouts.header);
    this.open.add(handshake);
    terminator.take(socket, {
      onSecure: (secured, facts) => {
        handshake.end();
        // The listener may have ended it meanwhile.
        if (!this.open.delete(handshake)) {
          secured.destroy();
          return;
        }
        peer.tls = facts;
        if (facts.clientCertificate?.authorized === true) this.certify(peer, secured);
        this.wire.deadlines.touch();
        this.take(secured, peer, facts.alpn === 'h2' ? 'h2' : 'http/1.1');
      },
      onFailed: reason => {
        this.wire.log.debug(
          { client: peer.ip, listener: peer.listener, reason: reasonOf(reason) },
          'a TLS handshake failed',
        );
        handshake.end();
        this.release(handshake, 'handshake');
      },
    });
  }

  private certify(peer: Peer, socket: TLSSocket): void {
    const { forwarding } = this.wire;
    if (!forwarding.certifies) return;
    const certificate = socket.getPeerX509Certificate();
    if (certificate !== undefined) peer.certified = forwarding.certify(certificate);
  }

  /** Finds out from a client's first bytes whether it speaks HTTP/2 (RFC 9113 section 3.3). */
  private find(socket: Socket, peer: Peer): void {
    const { deadlines, settings } = this.wire;
    const undecided = new Handshake(socket, peer, deadlines, settings.timeouts.header);
    this.open.add(undecided);
    let held = noBytes;
    const decide = (): void => {
      const bytes: Buffer | null = socket.read();
      if (bytes === null) {
        // The client has closed its sending side after at most a few bytes.
        if (socket.readableEnded) socket.destroy();
        return;
      }
      held = Buffer.concat([held, bytes]);
      const protocol = protocolOf(held);
      if (protocol === undefined) return;
      socket.unshift(held);
      socket.off('readable', decide);
      socket.off('end', decide);
      socket.off('close', left);
      undecided.end();
      if (!this.open.delete(undecided)) return;
      deadlines.touch();
      this.take(socket, peer, protocol);
      socket.resume();
    };
    const left = (): void => {
      undecided.end();
      this.release(undecided, undefined);
    };
    socket.on('readable', decide);
    socket.on('end', decide);
    socket.on('close', left);
    socket.on('error', ignore);
    // Bytes that arrived with a PROXY header cause no event.
    if (socket.readableLength > 0) decide();
  }

  /** Starts the protocol of a connection, unless a plugin refuses it. */
  private take(socket: Socket, peer: Peer, protocol: 'h2' | 'http/1.1'): void {
    if (this.isRefused(peer)) {
      socket.destroy();
      this.perAddress.remove(peer.ip);
      this.reportFinished(peer, 'plugin');
      this.wakeIfEmpty();
      return;
    }
    const connection = this.acceptor.accept(socket, peer, protocol);
    this.open.add(connection);
    this.leaving?.take(connection);
  }

  private isRefused(peer: Peer): boolean {
    const { connection } = this.wire.stages.first;
    return connection.taps.length > 0 && connection.call(infoOf(peer)) === 'refuse';
  }

  /** Called once for every connection, served or not. */
  private reportFinished(peer: Peer, refused?: ConnectionInfo['refused']): void {
    const { connectionFinished } = this.wire.stages.first;
    if (connectionFinished.taps.length > 0) connectionFinished.call(infoOf(peer, refused));
  }
}

const noBytes = Buffer.alloc(0);

const ignore = (): void => {};

/** OpenSSL's own reason if the error is OpenSSL's, otherwise its message. */
function reasonOf(error: Error): string {
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
}

function addressText({ address, port }: AddressInfo): string {
  return hostAndPort(address, port);
}
