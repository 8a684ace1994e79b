// Requests to an authority: its answers, missing answers, and when it wants renewals, over real HTTPS.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing.ts';
import { certificateId } from '../../../plugins/acme/certificate-id.ts';
import { Issuer } from '../../../plugins/acme/issuer.ts';
import type { Ledger } from '../../../plugins/acme/ledger.ts';
import { AcmeProblem } from '../../../plugins/acme/problem.ts';
import { makeCertificate } from '../../support/authority.ts';
import { suite } from '../../support/suite.ts';

const test = suite('acme issuer');

const own = makeCertificate({ names: ['localhost'] });
const signed = makeCertificate({
  names: ['shop.test'],
  authority: makeCertificate({ names: ['authority.test'], isAuthority: true }),
});

interface Served {
  readonly issuer: Issuer;
  readonly url: string;
  readonly seen: IncomingMessage[];
  /** The payloads that were posted to a path. */
  posted(path: string): Record<string, unknown>[];
}

/** An issuer whose authority answers as `answer` says; the directory exists unless `answer` replaces it. */
async function withIssuer(
  answer: (path: string, response: ServerResponse) => void,
  use: (served: Served) => Promise<void>,
  { ca = own.cert }: { ca?: string } = {},
): Promise<void> {
  const seen: IncomingMessage[] = [];
  const bodies = new Map<IncomingMessage, string>();
  const server = createServer(own, async (request, response) => {
    seen.push(request);
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    bodies.set(request, body);
    response.setHeader('Replay-Nonce', `nonce-${seen.length}`);
    answer(request.url ?? '', response);
    if (response.writableEnded) return;
    const paths = ['newNonce', 'newAccount', 'newOrder'].map(name => [name, `${url}/${name}`]);
    response.end(JSON.stringify({ ...Object.fromEntries(paths), renewalInfo: `${url}/renewal-info` }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = `https://localhost:${typeof address === 'object' ? address?.port : ''}`;
  const ending = new AbortController();
  const ledger: Pick<Ledger, 'accountKey' | 'keepAccount'> = {
    accountKey: () => undefined,
    keepAccount: async () => {},
  };
  const issuer = new Issuer({
    directory: `${url}/dir`,
    email: 'ops@shop.test',
    ca,
    userAgent: 'weldr/test',
    ledger: ledger as Ledger,
    clock: new FakeClock(),
    signal: ending.signal,
  });
  const posted = (path: string): Record<string, unknown>[] =>
    seen
      .filter(request => request.url === path)
      .map(request => JSON.parse(bodies.get(request) ?? ''))
      .map(({ payload }) => JSON.parse(Buffer.from(payload, 'base64url').toString()));
  try {
    await use({ issuer, url, seen, posted });
  } finally {
    ending.abort();
    await issuer.close();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

const order = { names: ['shop.test'], keyType: 'ecdsa', before: undefined, answer: async () => {} } as const;

async function problemOf(work: Promise<unknown>): Promise<AcmeProblem> {
  const thrown = await work.then(
    () => undefined,
    (raised: unknown) => raised,
  );
  if (thrown instanceof AcmeProblem) return thrown;
  throw new Error('there was no problem', { cause: thrown });
}

const text = (response: ServerResponse, status: number, body: unknown, headers = {}): void => {
  response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
};

test('asks by its id when to renew a certificate, and again when the authority says so', async () => {
  const window = { start: '2026-03-01T00:00:00Z', end: '2026-03-02T00:00:00Z' };
  await withIssuer(
    (path, response) => {
      if (path !== '/dir') {
        const body = { suggestedWindow: window, explanationURL: 'https://ca.test/why', more: 1 };
        text(response, 200, body, { 'Retry-After': '21600' });
      }
    },
    async ({ issuer, seen }) => {
      assert.equal(await issuer.advice(signed.cert), {
        window: { start: Date.parse(window.start), end: Date.parse(window.end) },
        explanation: 'https://ca.test/why',
        askAgainIn: 21_600_000,
      });
      await issuer.advice(signed.cert);
      const path = `/renewal-info/${certificateId(signed.cert)}`;
      assert.equal(
        seen.map(({ url }) => url),
        ['/dir', path, path],
      );
      assert.is(seen[0]?.headers['user-agent'], 'weldr/test');
    },
  );
});

test('ignores missing advice of the authority, and an invalid window', async () => {
  await withIssuer(
    (_, response) => text(response, 200, {}),
    async ({ issuer }) => assert.is(await issuer.advice(signed.cert), undefined),
  );
  const ended = { start: '2026-03-02T00:00:00Z', end: '2026-03-01T00:00:00Z' };
  await withIssuer(
    (path, response) => {
      if (path !== '/dir') text(response, 200, { suggestedWindow: ended });
    },
    async ({ issuer }) => assert.is(await issuer.advice(signed.cert), undefined),
  );
});

test('a rate limit fails at once, with the time that the authority asks to wait', async () => {
  const problem = {
    type: 'urn:ietf:params:acme:error:rateLimited',
    detail: 'too many new accounts',
  };
  await withIssuer(
    (path, response) => {
      if (path === '/newAccount') text(response, 429, problem, { 'Retry-After': '3600' });
    },
    async ({ issuer, seen }) => {
      const { type, message, retryAfter } = await problemOf(issuer.issue(order));
      assert.equal([type, message, retryAfter], ['rateLimited', 'too many new accounts', 3_600_000]);
      assert.is(seen.filter(({ url }) => url === '/newAccount').length, 1);
    },
  );
});

test('names the certificate that is replaced, and orders without it where it was already replaced', async () => {
  const replaced = { type: 'urn:ietf:params:acme:error:alreadyReplaced', detail: 'by another order' };
  const limited = { type: 'urn:ietf:params:acme:error:rateLimited', detail: 'enough' };
  let orders = 0;
  await withIssuer(
    (path, response) => {
      if (path === '/newAccount') text(response, 201, { status: 'valid' }, { Location: '/account/1' });
      if (path !== '/newOrder') return;
      if (++orders === 1) text(response, 409, replaced);
      else text(response, 429, limited);
    },
    async ({ issuer, posted }) => {
      const { type } = await problemOf(issuer.issue({ ...order, before: signed.cert }));
      assert.is(type, 'rateLimited');
      const identifiers = [{ type: 'dns', value: 'shop.test' }];
      assert.equal(posted('/newOrder'), [
        { identifiers, replaces: certificateId(signed.cert) },
        { identifiers },
      ]);
      assert.equal(posted('/newAccount'), [
        { termsOfServiceAgreed: true, contact: ['mailto:ops@shop.test'] },
      ]);
    },
  );
});

test('an account that the authority has forgotten is created again', async () => {
  const problem = { type: 'urn:ietf:params:acme:error:accountDoesNotExist', detail: 'who?' };
  await withIssuer(
    (path, response) => {
      if (path === '/newAccount') text(response, 201, { status: 'valid' }, { Location: '/account/1' });
      if (path === '/newOrder' || path === '/account/1') text(response, 400, problem);
    },
    async ({ issuer, seen }) => {
      for (const accounts of [1, 2]) {
        assert.is((await problemOf(issuer.issue(order))).type, 'accountDoesNotExist');
        assert.is(seen.filter(({ url }) => url === '/newAccount').length, accounts);
      }
    },
  );
});

test('an answer that is not a problem document is reported by its status', async () => {
  for (const [status, type] of [
    [503, 'serverInternal'],
    [429, 'rateLimited'],
    [404, 'unexpected'],
  ] as const) {
    await withIssuer(
      (_, response) => text(response, status, '<html>'),
      async ({ issuer, url }) => {
        const problem = await problemOf(issuer.issue(order));
        assert.equal([problem.type, problem.message], [type, `${url}/dir answered ${status}`]);
      },
    );
  }
});

test('nonces that are refused repeatedly end the order', async () => {
  await withIssuer(
    (path, response) => {
      const problem = { type: 'urn:ietf:params:acme:error:badNonce', detail: 'it was used' };
      if (path === '/newAccount') text(response, 400, problem);
    },
    async ({ issuer, seen }) => {
      const thrown = String(await issuer.issue(order).catch(String));
      assert.match(thrown, 'it was used');
      assert.is(seen.filter(({ url }) => url === '/newAccount').length, 6);
    },
  );
});

test('an authority that is not trusted, or sends too much, is reported', async () => {
  const other = makeCertificate({ names: ['other.test'] });
  await withIssuer(
    () => {},
    async ({ issuer }) => {
      const { type, message } = await problemOf(issuer.advice(signed.cert));
      assert.is(type, 'unreachable');
      assert.match(message, /no answer from https:\/\/localhost:\d+\/dir: .*certificate/);
    },
    { ca: other.cert },
  );
  await withIssuer(
    (_, response) => text(response, 200, 'x'.repeat(2 * 1024 * 1024)),
    async ({ issuer }) =>
      assert.match((await problemOf(issuer.advice(signed.cert))).message, 'over 1048576 bytes'),
  );
});
