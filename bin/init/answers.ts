// Answers: what `weldr init` needs to know, from flags, a terminal or defaults, and the checks of each answer.
import type { Interface } from 'node:readline/promises';
import { serverDefinition } from '../../core/pool/server-definition.ts';
import { listenAddress, parseTcpAddress } from '../../core/settings/listen.ts';
import { CommandError, usageError } from '../command-error.ts';

/** Where the certificate comes from, with HTTPS. */
export type Https =
  | { readonly by: 'none' }
  /** Certificates from Let's Encrypt. */
  | { readonly by: 'acme'; readonly domains: readonly string[]; readonly email: string }
  /** Paths of PEM files. */
  | { readonly by: 'files'; readonly cert: string; readonly key: string };

/** The answers that a new project is made from. */
export interface Answers {
  readonly servers: readonly string[];
  readonly https: Https;
  /** Where clients connect; with HTTPS, by `https://`. */
  readonly listen: string;
}

/** The answers that flags gave. */
type Known = { readonly [K in keyof Answers]: Answers[K] | undefined };

/** What was typed, each undefined where a flag is missing. */
export interface GivenAnswers {
  readonly servers: string | undefined;
  readonly https: string | undefined;
  readonly listen: string | undefined;
}

/** The proposed server: where Node's frameworks listen by default. */
const usualServer = 'http://127.0.0.1:3000';

/**
 * Completes the answers: on a terminal by questions, which are asked again after a wrong answer, otherwise by the
 * defaults. Throws a usage error for a wrong flag, and a CommandError when the questions are interrupted.
 */
export async function readAnswers(given: GivenAnswers): Promise<Answers> {
  // Wrong flags are refused before the first question.
  const servers = flag('--servers', given.servers, readServers);
  const https = flag('--https', given.https, readHttps);
  const listen = flag('--ip', given.listen, readListen);
  if (!process.stdin.isTTY || !process.stdout.isTTY) return withDefaults({ servers, https, listen });
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const ending = new AbortController();
  terminal.once('close', () => ending.abort());
  const ask = async <T>(question: string, proposed: string, read: (text: string) => T): Promise<T> =>
    await askUntilRight({ terminal, signal: ending.signal, question, proposed }, read);
  try {
    const asked = {
      servers: servers ?? (await ask('Servers (URLs, separated by commas)', usualServer, readServers)),
      https: https ?? (await ask(httpsQuestion, 'no', readHttps)),
    };
    const address = usualAddress(asked.https);
    return { ...asked, listen: listen ?? (await ask('Address for clients', address, readListen)) };
  } catch (thrown) {
    if (!ending.signal.aborted) throw thrown;
    process.stdout.write('\n');
    throw new CommandError('nothing was written');
  } finally {
    terminal.close();
  }
}

const httpsQuestion = `For HTTPS, type one of these:
  no
  domains and an email address, for certificates from Let's Encrypt: shop.example,ops@shop.example
  your own certificate and its key: shop.pem,shop.key
HTTPS`;

function withDefaults({ servers, https = { by: 'none' }, listen }: Known): Answers {
  return { servers: servers ?? [usualServer], https, listen: listen ?? usualAddress(https) };
}

function usualAddress({ by }: Https): string {
  return by === 'none' ? '0.0.0.0:8080' : '0.0.0.0:443';
}

interface Asking {
  readonly terminal: Interface;
  readonly signal: AbortSignal;
  readonly question: string;
  readonly proposed: string;
}

async function askUntilRight<T>(asking: Asking, read: (text: string) => T): Promise<T> {
  const { terminal, signal, question, proposed } = asking;
  for (;;) {
    const typed = await terminal.question(`${question} [${proposed}]: `, { signal });
    try {
      return read(typed.trim() === '' ? proposed : typed.trim());
    } catch (thrown) {
      if (!(thrown instanceof WrongAnswer)) throw thrown;
      process.stdout.write(`  ${thrown.message}\n`);
    }
  }
}

/** Says what is wrong with an answer. */
class WrongAnswer extends Error {}

function flag<T>(name: string, text: string | undefined, read: (text: string) => T): T | undefined {
  if (text === undefined) return undefined;
  try {
    return read(text);
  } catch (thrown) {
    throw thrown instanceof WrongAnswer ? usageError(`${name}: ${thrown.message}`) : thrown;
  }
}

function readServers(text: string): readonly string[] {
  const urls = partsOf(text).map(part =>
    /^([a-z][a-z\d+.-]*:\/\/|unix:)/i.test(part) ? part : `http://${part}`,
  );
  if (urls.length === 0) throw new WrongAnswer(`name at least one server, such as ${usualServer}`);
  for (const url of urls) {
    const issue = serverDefinition.safeParse({ url }, { reportInput: true }).error?.issues[0];
    if (issue !== undefined) throw new WrongAnswer(issue.message);
  }
  const twice = urls.find((url, index) => urls.indexOf(url) !== index);
  if (twice !== undefined) throw new WrongAnswer(`${twice} is named twice`);
  return urls;
}

function readListen(text: string): string {
  const address = /^\d{1,5}$/.test(text) ? `0.0.0.0:${text}` : text;
  const issue = listenAddress.safeParse(address, { reportInput: true }).error?.issues[0];
  if (issue !== undefined) throw new WrongAnswer(issue.message);
  return address;
}

function readHttps(text: string): Https {
  const parts = partsOf(text);
  if (parts.length === 0 || /^(no|n|none|false)$/i.test(text)) return { by: 'none' };
  if (parts.some(isFile)) {
    const [cert, key, ...others] = parts;
    if (cert === undefined || key === undefined || others.length > 0) {
      throw new WrongAnswer(`expected two files, CERT.pem,KEY.pem, got ${text}`);
    }
    return { by: 'files', cert, key };
  }
  const [email, ...otherEmails] = parts.filter(part => part.includes('@'));
  const domains = parts.filter(part => !part.includes('@')).map(part => part.toLowerCase());
  const wrong = domains.find(
    name => !/^(?=.{4,253}$)([a-z\d]([a-z\d-]{0,61}[a-z\d])?\.)+[a-z][a-z\d-]*[a-z\d]$/.test(name),
  );
  if (wrong !== undefined || domains.length === 0) {
    throw new WrongAnswer(
      `expected no, public domains such as shop.example, or CERT.pem,KEY.pem, got ${wrong ?? text}`,
    );
  }
  if (
    email === undefined ||
    otherEmails.length > 0 ||
    !/^[^@\s'"\\]+@[^@\s'"\\]+\.[^@\s'"\\]+$/.test(email)
  ) {
    throw new WrongAnswer(
      `Let's Encrypt needs one email address: add it, such as ${domains[0]},ops@${domains[0]}`,
    );
  }
  return { by: 'acme', domains, email };
}

function isFile(part: string): boolean {
  return part.includes('/') || /\.(pem|crt|cer|key)$/i.test(part);
}

function partsOf(text: string): string[] {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '');
}

/** Returns the port of an address; undefined for the path of a socket. */
export function portOf(address: string): number | undefined {
  return parseTcpAddress(address)?.port;
}
