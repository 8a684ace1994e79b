// Pool change stream: changes a pool through the admin API at a fixed rate.
import { Agent, request } from 'node:http';

/** A server of the pool. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

/** Calls the admin API; each call resolves with whether it succeeded. */
export class AdminClient {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 32 });
  private readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  add({ address, port }: Target): Promise<boolean> {
    return this.send('POST', '/servers', { url: `http://${address}:${port}` });
  }

  remove({ address, port }: Target): Promise<boolean> {
    return this.send('DELETE', `/servers/${address}/${port}`);
  }

  weigh({ address, port }: Target, weight: number): Promise<boolean> {
    return this.send('PATCH', `/servers/${address}/${port}`, { weight });
  }

  close(): void {
    this.agent.destroy();
  }

  /** Makes any call. */
  send(method: string, path: string, body?: unknown): Promise<boolean> {
    return new Promise(resolve => {
      const asked = request({ host: '127.0.0.1', port: this.port, method, path, agent: this.agent });
      asked.on('response', response => {
        response.resume().on('end', () => resolve((response.statusCode ?? 500) < 300));
      });
      asked.on('error', () => resolve(false));
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

const tick = 5;

/** Changes the weights of servers, or adds and removes them, until `stop`. */
export class ChangeStream {
  /** The number of changes that failed. */
  failed = 0;
  private done = 0;
  private begun = 0;
  private readonly startedAt = performance.now();
  private readonly timer: NodeJS.Timeout;
  private readonly client: AdminClient;
  private readonly kind: 'weights' | 'membership';
  private readonly perSecond: number;
  /** Servers without a change under way, the longest waiting first. */
  private readonly free: Target[];
  private readonly under = new Set<Promise<void>>();
  /** Servers in their other state: with weight 2, or in the pool. */
  private readonly changed = new Set<Target>();

  constructor(
    client: AdminClient,
    kind: 'weights' | 'membership',
    targets: readonly Target[],
    perSecond: number,
  ) {
    this.client = client;
    this.kind = kind;
    this.perSecond = perSecond;
    this.free = [...targets];
    this.timer = setInterval(() => this.changeDue(), tick);
  }

  /** Completed changes a second, so far. */
  get rate(): number {
    return this.done / ((performance.now() - this.startedAt) / 1000);
  }

  /** Stops. Resolves once the pool is as before. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.under);
    await Promise.all([...this.changed].map(target => this.change(target)));
  }

  private changeDue(): void {
    const due = ((performance.now() - this.startedAt) / 1000) * this.perSecond;
    while (this.begun < due) {
      const target = this.free.shift();
      // All servers have a change under way: the rest is due at the next tick.
      if (target === undefined) return;
      this.begun++;
      const change = this.change(target).then(() => {
        this.under.delete(change);
        this.free.push(target);
      });
      this.under.add(change);
    }
  }

  private async change(target: Target): Promise<void> {
    const back = this.changed.delete(target);
    if (!back) this.changed.add(target);
    if (await this.carryOut(target, back)) this.done++;
    else this.failed++;
  }

  private carryOut(target: Target, back: boolean): Promise<boolean> {
    if (this.kind === 'weights') return this.client.weigh(target, back ? 1 : 2);
    return back ? this.client.remove(target) : this.client.add(target);
  }
}
