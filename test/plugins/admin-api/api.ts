// A manager side with the admin API on a free port, and calls to it as a client makes them.
import { request } from 'node:http';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { type ManagerSideOptions, managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { type AdminApiOptions, adminApi } from '../../../plugins/admin-api/index.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; undefined when there is none. */
  readonly body: unknown;
}

export interface Api {
  readonly side: TestManagerSide;
  /** Such as `127.0.0.1:40123`. */
  readonly address: string;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

interface ApiOptions extends ManagerSideOptions {
  readonly api?: AdminApiOptions;
  /** Plugins before and after the admin API. */
  readonly before?: readonly Plugin[];
  readonly after?: readonly Plugin[];
}

/** Runs `body` against an admin API, which is closed afterwards. */
export async function withApi(options: ApiOptions, body: (api: Api) => Promise<void>): Promise<void> {
  const { api, before = [], after = [], ...rest } = options;
  const plugin = adminApi({ listen: '127.0.0.1:0', ...api });
  const side = await managerSide([...before, plugin, ...after], rest);
  try {
    await body({ side, ...callsTo(addressOf(side)) });
  } finally {
    await side.close();
  }
}

/** Where the admin API of a side listens. */
export function addressOf(side: TestManagerSide): string {
  const line = side.logs.find(({ msg }) => msg.startsWith('the admin API listens'));
  if (typeof line?.['address'] !== 'string') throw new Error('the admin API does not listen');
  return line['address'];
}

export function callsTo(address: string): Pick<Api, 'address' | 'call'> {
  return {
    address,
    async call(method, path, body, headers = {}) {
      const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
      return await exchange(address, method, path, text, headers);
    },
  };
}

/** One request over a separate connection, with any headers, Host included. */
async function exchange(
  address: string,
  method: string,
  path: string,
  text: string | undefined,
  headers: Record<string, string>,
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const { hostname, port } = new URL(`http://${address}`);
    const host = hostname.replace(/^\[|\]$/g, '');
    const length = text === undefined ? {} : { 'content-length': String(Buffer.byteLength(text)) };
    const sent = request(
      { host, port, method, path, agent: false, headers: { ...length, ...headers } },
      response => {
        let got = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          got += piece;
        });
        response.on('error', reject);
        response.on('end', () => {
          const fields = new Headers();
          for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) {
            fields.append(response.rawHeaders[i] ?? '', response.rawHeaders[i + 1] ?? '');
          }
          const isJson = /json/.test(fields.get('content-type') ?? '') && got !== '';
          const body: unknown = isJson ? JSON.parse(got) : undefined;
          resolve({ status: response.statusCode ?? 0, headers: fields, text: got, body });
        });
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

/** A field of an answer's body, by its path: `servers.0.id`. */
export function at(body: unknown, path: string): unknown {
  let value = body;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}
