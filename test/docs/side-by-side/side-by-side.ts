// Runs the tasks of a page that compares another proxy's config with Weldr's: each config unchanged except for
// addresses and paths, both proxies in front of the same origins, with the same requests to both.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../../config/load.ts';
import { openLog } from '../../../core/log/log.ts';
import { HeldSockets } from '../../../core/process/held-sockets.ts';
import { Manager } from '../../../core/process/manager.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import type { Test } from '../../support/suite.ts';
import { anchorOf } from '../doc-links.ts';
import { contentsOf, type DocTask, docTasks } from './doc-tasks.ts';
import { type OpenedSocket, OpenedSockets } from './opened-sockets.ts';
import type { PeerKind } from './peer-kind.ts';
import { type Answer, ask, type Question } from './question.ts';

const project = resolve(fileURLToPath(import.meta.url), '../../../..');
const run = promisify(execFile);

/** One of the two proxies. */
export interface SideProxy {
  readonly name: string;
  readonly isWeldr: boolean;
  /** Returns the port on which it listens, by the port of the page's config. */
  port(ofConfig: number): number;
  ask(target: string, question?: Question): Promise<Answer>;
  /** Resolves with the servers that answer this many requests for `/`, one after another. */
  servers(count: number): Promise<string[]>;
  /** The origins, by the addresses of the page's configs. */
  origin(address: string): Origin;
  /** Runs the task's blocks of shell, in which `weldr` is this project's command. Resolves with their output. */
  shell(): Promise<string>;
  /** The folder that replaces the root of file paths in the page. */
  readonly folder: string;
}

/** Options of a task. */
export interface TaskOptions {
  /** Texts of the page, and their replacements in the test. */
  readonly replace?: readonly (readonly [string, string])[];
  /** Handlers of origins, by their addresses in the page. */
  readonly origins?: Readonly<Record<string, RequestListener>>;
  /** Ports of the test's own servers, by their addresses in the page. */
  readonly servers?: () => Readonly<Record<string, number>>;
  /** Sends requests only to Weldr; the config of the other is still checked. */
  readonly weldrAlone?: boolean;
}

type Body = (proxy: SideProxy) => Promise<void>;

const ports = [80, 443, 8080, 8404, 8443];
/** A server of the page's configs. */
const serverAddress = /\b10\.\d+\.\d+\.\d+:\d+/g;
const filePath = /(?<![\w.}/])\/(?:etc|var|run)\/[\w./-]+/g;

/** Runs the tasks of a page. */
export class SideBySide {
  private readonly tasks: ReadonlyMap<string, DocTask>;
  private readonly tried = new Set<string>();
  private readonly folder = mkdtempSync(join(tmpdir(), 'weldr-sides-'));
  private readonly test: Test;
  private readonly kind: PeerKind;
  private readonly sockets = new OpenedSockets();
  private count = 0;

  constructor(
    test: Test,
    page: string,
    { kind, files }: { kind: PeerKind; files: Readonly<Record<string, string>> },
  ) {
    this.test = test;
    this.kind = kind;
    this.tasks = docTasks(page);
    mkdirSync(join(this.folder, 'node_modules'));
    symlinkSync(project, join(this.folder, 'node_modules/weldr'));
    this.write('package.json', '{ "type": "module" }');
    this.write(
      'bin/weldr',
      `#!/bin/sh\nexec '${process.execPath}' -C weldr-source '${project}/bin/weldr.ts' "$@"\n`,
      0o755,
    );
    for (const [path, content] of Object.entries(files)) this.write(path, content);
    test.after(async () => {
      await this.sockets.close();
      rmSync(this.folder, { recursive: true, force: true });
    });
    test('lists its tasks at the top', () => {
      const titles = contentsOf(page);
      assert.equal(
        titles.map(({ title }) => title),
        [...this.tasks.keys()],
      );
      for (const { title, anchor } of titles) assert.is(anchor, anchorOf(title));
    });
  }

  /** Registers a task's test: `body` runs against the other proxy, if it runs here, and against Weldr. */
  task(title: string, body: Body, options: TaskOptions = {}): void {
    this.tried.add(title);
    this.test(title, async () => {
      const task = this.tasks.get(title);
      if (task === undefined) throw new Error(`the page has no task "${title}"`);
      const sides = new Sides(task, options, this.folder);
      try {
        await sides.startOrigins();
        const config = await sides.localized(task.peer.text);
        if (this.kind.start === undefined || options.weldrAlone === true) {
          const isForm = this.kind.start === undefined;
          await this.kind.check(isForm ? task.peer.text : config.text, this.folder);
        } else {
          const peer = await this.kind.start(config.text, config.anyPort());
          try {
            await body(sides.proxy(this.kind.name, config));
          } finally {
            await peer.stop();
          }
        }
        await this.runWeldr(sides, task, body);
      } finally {
        await sides.close();
      }
    });
  }

  /** Registers the test that all tasks of the page have tests. Call it last. */
  allTasksAreTried(): void {
    this.test('each task has its test', () => {
      assert.equal(
        [...this.tasks.keys()].filter(title => !this.tried.has(title)),
        [],
      );
    });
  }

  private async runWeldr(sides: Sides, task: DocTask, body: Body): Promise<void> {
    const { language, text } = task.weldr;
    assert.ok(language === 'ts' || language === 'yaml', `${task.title}: Weldr's config is ${language}`);
    const opened: OpenedSocket[] = [];
    const config = await sides.localized(text, async () => {
      const socket = await this.sockets.open();
      opened.push(socket);
      return socket.port;
    });
    const listen = /^ {0,2}listen:/m.test(text) ? undefined : [`127.0.0.1:${await config.portOf(80)}`];
    config.ports.set(8687, await freePort());
    const file = this.write(`${this.count++}/weldr.config.${language}`, config.text);
    const manager = new Manager({
      config: file,
      overrides: {
        workers: 0,
        logLevel: 'silent',
        adminListen: `127.0.0.1:${config.ports.get(8687)}`,
        ...(listen !== undefined && { listen }),
      },
      version: '0.0.0',
      spawn: () => {
        throw new Error('a Weldr of the test has no worker processes');
      },
      load: loadConfig,
      held: new HeldSockets(opened.map(({ held }) => held)),
      openLog,
    });
    try {
      await manager.start();
      await body(sides.proxy('weldr', config));
    } finally {
      await manager.stop();
      for (const { close } of opened) close();
    }
  }

  private write(path: string, content: string, mode = 0o600): string {
    const full = join(this.folder, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, content, { mode });
    return full;
  }
}

/** Adapts a config to addresses and paths of this machine. */
class Localized {
  text = '';
  readonly ports = new Map<number, number>();
  private readonly newPort: () => Promise<number>;

  constructor(newPort: () => Promise<number>) {
    this.newPort = newPort;
  }

  async portOf(ofConfig: number): Promise<number> {
    const port = this.ports.get(ofConfig) ?? (await this.newPort());
    this.ports.set(ofConfig, port);
    return port;
  }

  anyPort(): number {
    const [port] = this.ports.values();
    if (port === undefined) throw new Error('it listens nowhere');
    return port;
  }
}

/** The origins of one task, and the configs adapted to them. */
class Sides {
  private readonly origins = new Map<string, Origin>();
  private readonly servers: Readonly<Record<string, number>>;
  private readonly task: DocTask;
  private readonly options: TaskOptions;
  private readonly folder: string;

  constructor(task: DocTask, options: TaskOptions, folder: string) {
    this.task = task;
    this.options = options;
    this.folder = folder;
    this.servers = options.servers?.() ?? {};
  }

  async startOrigins(): Promise<void> {
    const { peer, weldr, more } = this.task;
    const texts = [peer, weldr, ...more].map(block => block.text).join('\n');
    for (const name of new Set(texts.match(serverAddress))) {
      if (this.servers[name] !== undefined) continue;
      const handle = this.options.origins?.[name] ?? echo;
      this.origins.set(name, await startOrigin({ name, handle }));
    }
  }

  async close(): Promise<void> {
    for (const origin of this.origins.values()) await origin.close();
  }

  async localized(config: string, newPort = freePort): Promise<Localized> {
    const local = new Localized(newPort);
    const replaced = (this.options.replace ?? []).reduce(
      (text, [from, to]) => text.replaceAll(from, to),
      config,
    );
    const withServers = replaced
      .replace(serverAddress, name => `127.0.0.1:${this.servers[name] ?? this.origin(name).port}`)
      .replace(filePath, path => this.folder + path);
    for (const port of ports) {
      if (listens(port).test(withServers)) await local.portOf(port);
    }
    local.text = [...local.ports].reduce(
      (text, [from, to]) => text.replace(listens(from), `$1127.0.0.1:${to}`),
      withServers,
    );
    return local;
  }

  origin(name: string): Origin {
    const origin = this.origins.get(name);
    if (origin === undefined) throw new Error(`the configs name no server ${name}`);
    return origin;
  }

  proxy(name: string, local: Localized): SideProxy {
    const port = (ofConfig: number): number => {
      const found = local.ports.get(ofConfig);
      if (found === undefined) throw new Error(`${name} does not listen on ${ofConfig}`);
      return found;
    };
    const asking = (target: string, question: Question = {}) =>
      ask(target, port(question.port ?? 80), question);
    return {
      name,
      isWeldr: name === 'weldr',
      port,
      ask: asking,
      async servers(count) {
        const servers: string[] = [];
        while (servers.length < count) servers.push((await asking('/')).server);
        return servers;
      },
      origin: address => this.origin(address),
      shell: () => this.shell(local),
      folder: this.folder,
    };
  }

  private async shell(local: Localized): Promise<string> {
    const blocks = this.task.more.filter(({ language }) => language === 'sh');
    assert.ok(blocks.length > 0, `${this.task.title} has no block of shell`);
    const { text: script } = await this.localized(blocks.map(block => block.text).join('\n'));
    const admin = `http://127.0.0.1:${await local.portOf(8687)}`;
    const { stdout } = await run('bash', ['-ec', script.replace(/localhost:8687/g, admin)], {
      cwd: this.folder,
      env: { ...process.env, PATH: `${this.folder}/bin:${process.env['PATH']}`, WELDR_ADMIN: admin },
    });
    return stdout;
  }
}

/** Returns a pattern for the places where a config listens on a port: `listen 80`, `bind :80`, `':80'`. */
function listens(port: number): RegExp {
  return new RegExp(`(\\blisten |\\bbind |['"])(?:0\\.0\\.0\\.0:|\\*:|:)?${port}\\b`, 'g');
}

/** Answers with the request that it received. */
const echo: RequestListener = (request, response) => {
  request.resume().on('end', () => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers }));
  });
};
