// `npm run demo:cluster`: three members of etcd and two Weldrs on loopback ports, no root. Shows how they share one
// pool, and what a client sees when the leader is killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { describeError } from '../core/errors.ts';

const project = fileURLToPath(new URL('..', import.meta.url));
const command = fileURLToPath(new URL('weldr.ts', import.meta.url));
const quietMs = 4000;
const clusterAnswer = z.object({ leader: z.string().nullable(), stale: z.boolean() });

/** A Weldr of the demo. */
interface Node {
  readonly name: string;
  readonly url: string;
  readonly adminUrl: string;
  readonly config: string;
  process: ChildProcess | undefined;
}

const folder = mkdtempSync(join(tmpdir(), 'weldr-demo-'));
const children = new Set<ChildProcess>();
const servers: Server[] = [];
let ending = false;

process.once('SIGINT', () => void end(0));
process.once('SIGTERM', () => void end(0));
try {
  await run();
} catch (thrown) {
  if (!ending) {
    process.stderr.write(`demo: ${describeError(thrown)}\n`);
    await end(1);
  }
}

async function run(): Promise<void> {
  say('starting three members of etcd and two Weldrs …');
  const hosts = await startEtcd();
  const origins = [await startOrigin('one'), await startOrigin('two')];
  const nodes = [await makeNode('weldr-a', hosts), await makeNode('weldr-b', hosts)];
  for (const node of nodes) startNode(node);
  const first = await waitForLeader(nodes);
  say(`etcd     ${hosts.join('  ')}`);
  for (const { name, url, adminUrl } of nodes) say(`${name}  proxies ${url}, admin API ${adminUrl}`);
  say(`${first.name} leads: with floatingIp() it would hold the service address\n`);

  const [a, b] = nodes;
  if (a === undefined || b === undefined) return;
  for (const origin of origins) {
    await fetch(`${a.adminUrl}/servers`, { method: 'POST', body: JSON.stringify({ url: origin }) });
  }
  await until(async () => (await serversOf(b)).length === origins.length);
  say(`added to ${a.name}: ${origins.join(' ')}`);
  say(`known to ${b.name}: ${(await serversOf(b)).join(' ')}\n`);

  for (;;) {
    const leader = await waitForLeader(nodes);
    say(
      `a client sends requests to the leader, ${leader.name}, which will be killed (-9) in ${quietMs / 1000} s`,
    );
    await watchFailOver(nodes, leader);
    say(`starting ${leader.name} again; it follows\n`);
    startNode(leader);
    await until(async () => (await ask(leader)) !== undefined);
    await sleep(quietMs);
    say('once more; Ctrl-C ends the demo');
  }
}

/** Kills the leader while a client sends requests, and reports what the client saw. */
async function watchFailOver(nodes: readonly Node[], leader: Node): Promise<void> {
  let target = leader;
  let answers = 0;
  let lastAnswer = performance.now();
  let longest = 0;
  let asking = true;
  const client = (async () => {
    while (asking) {
      try {
        const answer = await fetch(target.url, { signal: AbortSignal.timeout(500) });
        await answer.text();
        if (answer.ok) {
          answers++;
          longest = Math.max(longest, performance.now() - lastAnswer);
          lastAnswer = performance.now();
        }
      } catch {
        // The leader is dead; the service address would move to the next one.
      }
      await sleep(20);
    }
  })();
  await sleep(quietMs);
  say(`${answers} answers so far, the longest gap ${Math.round(longest)} ms`);
  longest = 0;
  const began = performance.now();
  leader.process?.kill('SIGKILL');
  say(`killed ${leader.name}`);
  target = await waitForLeader(nodes, leader);
  say(`${target.name} leads after ${Math.round(performance.now() - began)} ms`);
  await sleep(1000);
  asking = false;
  await client;
  say(`the client gets answers again; its longest gap was ${Math.round(longest)} ms`);
}

async function waitForLeader(nodes: readonly Node[], not?: Node): Promise<Node> {
  let found: Node | undefined;
  await until(async () => {
    for (const node of nodes) {
      const leader = node === not ? undefined : (await ask(node))?.leader;
      found = nodes.find(({ name }) => name === leader && name !== not?.name);
      if (found !== undefined) return true;
    }
    return false;
  });
  if (found === undefined) throw new Error('there is no leader');
  return found;
}

async function ask(node: Node): Promise<z.output<typeof clusterAnswer> | undefined> {
  try {
    const answer = await fetch(`${node.adminUrl}/cluster`, { signal: AbortSignal.timeout(3000) });
    return clusterAnswer.parse(await answer.json());
  } catch {
    return undefined;
  }
}

async function serversOf(node: Node): Promise<string[]> {
  const answer = await fetch(`${node.adminUrl}/servers`);
  const { servers: list } = z
    .object({ servers: z.array(z.object({ url: z.string() })) })
    .parse(await answer.json());
  return list.map(({ url }) => url);
}

async function startEtcd(): Promise<string[]> {
  const ports = await freePorts(6);
  const members = [0, 1, 2].map(i => ({
    name: `etcd-${i}`,
    client: `http://127.0.0.1:${ports[2 * i]}`,
    peer: `http://127.0.0.1:${ports[2 * i + 1]}`,
  }));
  const all = members.map(({ name, peer }) => `${name}=${peer}`).join(',');
  for (const { name, client, peer } of members) {
    const child = launch('etcd', [
      ...['--name', name, '--data-dir', join(folder, name)],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', all, '--initial-cluster-state', 'new'],
    ]);
    child.once('error', () => {
      process.stderr.write('demo: etcd is not installed (Debian: apt-get install etcd-server)\n');
      void end(1);
    });
  }
  return members.map(({ client }) => client);
}

async function startOrigin(name: string): Promise<string> {
  const server = createServer((_, answer) => answer.end(`Hello from origin ${name}\n`));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

async function makeNode(name: string, hosts: readonly string[]): Promise<Node> {
  const [port, adminPort] = await freePorts(2);
  const directory = join(folder, name);
  mkdirSync(join(directory, 'node_modules'), { recursive: true });
  symlinkSync(project, join(directory, 'node_modules/weldr'));
  const config = join(directory, 'weldr.config.ts');
  writeFileSync(
    config,
    `
      import { defineConfig } from 'weldr';
      import { adminApi, etcd, healthCheck, roundRobin } from 'weldr/plugins';

      export default defineConfig({
        listen: '127.0.0.1:${port}',
        workers: 1,
        plugins: [
          roundRobin(),
          healthCheck({ interval: '2s' }),
          etcd({ hosts: ${JSON.stringify(hosts)}, nodeName: '${name}' }),
          adminApi({ listen: '127.0.0.1:${adminPort}' }),
        ],
      });
    `,
  );
  const url = `http://127.0.0.1:${port}`;
  return { name, url, adminUrl: `http://127.0.0.1:${adminPort}`, config, process: undefined };
}

function startNode(node: Node): void {
  const args = ['-C', 'weldr-source', command, 'start', '--config', node.config];
  node.process = launch(process.execPath, args, join(folder, node.name));
}

function launch(program: string, args: readonly string[], cwd = folder): ChildProcess {
  const child = spawn(program, args, { cwd, stdio: 'ignore' });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Ends every process of the demo, and removes its files. */
async function end(code: number): Promise<never> {
  ending = true;
  for (const server of servers) server.close();
  // Managers end their workers; etcd can be killed.
  const gone = [...children].map(async child => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 3000);
    await once(child, 'exit');
    clearTimeout(late);
  });
  await Promise.all(gone);
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + 30_000;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > limit) throw new Error('the cluster was not ready within 30 s');
    await sleep(50);
  }
}

async function freePorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket().listen(0, '127.0.0.1'));
  await Promise.all(sockets.map(socket => once(socket, 'listening')));
  const ports = sockets.map(socket => {
    const address = socket.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(sockets.map(socket => once(socket.close(), 'close')));
  return ports;
}

function say(text: string): void {
  const time = new Date().toISOString().slice(11, 23);
  process.stdout.write(`${time}  ${text}\n`);
}
