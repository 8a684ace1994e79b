// The socket-level fuzzer: mutated messages to a real proxy, and from a real origin, with canary requests beside them.
import { Random } from '../support/random.ts';
import { startProxy, type TestProxy } from '../wire/support/proxy.ts';
import { RawClient } from '../wire/support/raw-client.ts';
import { echo, echoed, ScriptedOrigin } from '../wire/support/scripted-origin.ts';
import { MessageError, readResponse } from '../wire/support/strict-message.ts';
import { requestSeeds, responseSeeds, type Side } from './differential.ts';
import { mutate } from './mutation.ts';

/** Descriptions of what was found. */
export type Findings = string[];

const width = 16;
const settings = {
  timeouts: {
    header: '300ms',
    body: '300ms',
    response: '300ms',
    halfClosed: '100ms',
    idle: '2s',
    tunnel: '200ms',
  },
  logLevel: 'silent',
} as const;

/** Runs `cases` mutations, a few at a time, with another client's request after each lot. */
export async function fuzzSockets(side: Side, cases: number, seed: number): Promise<Findings> {
  const random = new Random(seed);
  const seeds = side === 'requests' ? requestSeeds : responseSeeds;
  const findings: Findings = [];
  let scripted = '';
  const origin = await ScriptedOrigin.start({
    answer(request) {
      if (request.target.startsWith('/scripted/')) {
        request.connection.send(inputs.get(request.target) ?? '');
        request.connection.end();
        return undefined;
      }
      // The client needs the method to frame the response, because its request was mutated.
      return echo(request).replace('\r\n', `\r\nX-Method: ${request.method}\r\n`);
    },
  });
  const inputs = new Map<string, string>();
  const proxy = await startProxy({ upstreams: [origin.url], settings });
  try {
    for (let done = 0; done < cases && findings.length === 0; done += width) {
      inputs.clear();
      const lot = Array.from({ length: width }, (_, n) => {
        const input = mutate(seeds, random);
        const path = `/scripted/${done + n}`;
        inputs.set(path, input);
        return { input, path };
      });
      await Promise.all(
        lot.map(async ({ input, path }) => {
          scripted = input;
          const bytes = side === 'requests' ? input : `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
          const why = await speak(proxy, bytes);
          if (why !== '') findings.push(`${why}: ${JSON.stringify(input)}`);
        }),
      );
      const answer = await ask(proxy, `/canary/${done}`);
      if (answer !== echoed(`GET /canary/${done} HTTP/1.1`))
        findings.push(`a canary got ${answer} after ${JSON.stringify(scripted)}`);
      findings.push(...origin.problems.splice(0).map(problem => `the origin got ${problem}`));
    }
  } finally {
    proxy.close();
    await origin.close();
  }
  return findings;
}

/** Sends bytes and half-closes. Returns what is wrong with the responses; '' if nothing is. */
async function speak(proxy: TestProxy, bytes: string): Promise<string> {
  const client = await RawClient.open(proxy.port);
  client.send(bytes);
  client.finish();
  try {
    await client.untilEnd(5_000);
    return malformedPart(client.text);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } finally {
    client.close();
  }
}

function malformedPart(text: string): string {
  try {
    for (let rest = text; rest !== ''; ) {
      const head = rest.slice(0, rest.indexOf('\r\n\r\n'));
      const method = /\r\nX-Method: (\S+)/.exec(head)?.[1] ?? 'GET';
      const message = readResponse(rest, method, true);
      // A cut response is fine; nothing can follow it.
      if (message === undefined || !message.complete) return '';
      rest = rest.slice(message.raw.length);
    }
    return '';
  } catch (thrown) {
    if (thrown instanceof MessageError) return thrown.message;
    throw thrown;
  }
}

async function ask(proxy: TestProxy, path: string): Promise<string> {
  const client = await RawClient.open(proxy.port);
  client.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  const { body } = await client.response();
  client.close();
  return body;
}
