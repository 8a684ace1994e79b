// A stand-in for a container engine: implements the part of Docker's Engine API that Weldr uses, over a unix socket, after the
// API's documentation. The test machines have no engine.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A container of the stand-in. */
export interface StandInContainer {
  readonly labels?: Readonly<Record<string, string>>;
  readonly state?: 'running' | 'paused' | 'exited';
  readonly health?: 'none' | 'starting' | 'healthy' | 'unhealthy';
  /** Addresses by network. */
  readonly networks?: Readonly<Record<string, string>>;
  /** Ports that it exposes. */
  readonly ports?: readonly number[];
}

const version = '1.47';

/** An engine, on a separate socket. */
export class ContainerEngine {
  readonly socket: string;
  private readonly folder: string;
  private server: Server | undefined;
  private readonly containers = new Map<string, StandInContainer>();
  private readonly followers = new Map<ServerResponse, URLSearchParams>();
  /** The number of requested lists. */
  lists = 0;
  /** The number of lists under way, and its highest value. */
  private listing = 0;
  mostListing = 0;
  /** Answers a request for a list, in place of the list. */
  answer: ((response: ServerResponse) => void) | undefined;

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'weldr-engine-'));
    this.socket = join(this.folder, 'docker.sock');
  }

  static async start(): Promise<ContainerEngine> {
    const engine = new ContainerEngine();
    await engine.listen();
    return engine;
  }

  get isFollowed(): boolean {
    return this.followers.size > 0;
  }

  /** Starts or changes a container, with an event. */
  run(name: string, container: StandInContainer, action = 'start'): void {
    this.containers.set(name, container);
    this.tell(action, name);
  }

  /** Has a container die, and removes it. */
  remove(name: string): void {
    this.containers.delete(name);
    this.tell('die', name);
    this.tell('destroy', name);
  }

  /** Removes a container without an event. */
  forget(name: string): void {
    this.containers.delete(name);
  }

  /** Cuts the streams of events. */
  cutEvents(): void {
    for (const response of this.followers.keys()) response.destroy();
  }

  /** Stops the engine; its containers continue. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async listen(): Promise<void> {
    const server = createServer((request, response) => this.handle(request, response));
    server.listen(this.socket);
    await once(server, 'listening');
    this.server = server;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private tell(action: string, name: string): void {
    const event = { Type: 'container', Action: action, Actor: { ID: name, Attributes: { name } } };
    for (const [response, query] of this.followers) {
      const { type = [], event: wanted = [] } = filtersOf(query);
      // If one of them is health_status, all act as prefixes (moby/moby#25798).
      if (type.includes('container') && wanted.some(prefix => action.startsWith(prefix))) {
        response.write(`${JSON.stringify(event)}\n`);
      }
    }
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://engine.invalid');
    if (url.pathname === '/_ping') {
      response.setHeader('api-version', version).end('OK');
    } else if (url.pathname === `/v${version}/containers/json`) {
      this.lists++;
      this.mostListing = Math.max(this.mostListing, ++this.listing);
      response.on('close', () => this.listing--);
      if (this.answer === undefined) response.end(JSON.stringify(this.list(url.searchParams)));
      else this.answer(response);
    } else if (url.pathname === `/v${version}/events`) {
      response.flushHeaders();
      this.followers.set(response, url.searchParams);
      response.on('close', () => this.followers.delete(response));
    } else response.writeHead(404).end('{"message":"page not found"}');
  }

  private list(query: URLSearchParams): unknown[] {
    const { label = [], status = [], health = [] } = filtersOf(query);
    const found: unknown[] = [];
    for (const [name, container] of this.containers) {
      const { labels = {}, state = 'running', networks = {}, ports = [] } = container;
      const hasLabels = label.every(wanted => {
        const [key = '', value] = wanted.split(/=(.*)/s);
        return Object.hasOwn(labels, key) && (value === undefined || labels[key] === value);
      });
      const isWanted = [
        hasLabels,
        status.length === 0 || status.includes(state),
        health.length === 0 || health.includes(container.health ?? 'none'),
      ];
      if (isWanted.includes(false)) continue;
      found.push({
        Id: Buffer.from(name).toString('hex').padEnd(64, '0'),
        Names: [`/${name}`],
        Image: 'shop:1',
        Labels: labels,
        State: state,
        Status: 'Up 2 minutes',
        Ports: ports.flatMap(port => [
          { PrivatePort: port, Type: 'tcp' },
          { IP: '0.0.0.0', PrivatePort: port, PublicPort: port + 10_000, Type: 'tcp' },
        ]),
        HostConfig: { NetworkMode: Object.keys(networks)[0] },
        NetworkSettings: {
          Networks: Object.fromEntries(
            Object.entries(networks).map(([network, address]) => [
              network,
              { IPAddress: address, GlobalIPv6Address: '' },
            ]),
          ),
        },
      });
    }
    return found;
  }
}

function filtersOf(query: URLSearchParams): Record<string, string[]> {
  return JSON.parse(query.get('filters') ?? '{}');
}
