// Scenarios: the loads for the comparison of CPU per request.
import type { Load } from './load.ts';

/** A load with a name. */
export interface Scenario {
  /** Its name for `--scenario`. */
  readonly name: string;
  readonly title: string;
  readonly load: Load;
}

/** With wrk's own field (Host) 12 fields and about 600 bytes, as a browser sends them to an API. */
export const realisticHeaders = {
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  Accept: 'application/json, text/plain, */*',
  'Accept-Language': 'en-GB,en;q=0.8,de;q=0.5',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  Referer: 'http://shop.example.com/catalogue/summer?page=2',
  Authorization: 'Bearer 0d7c8f2a4b6e4f3f9a1c5e7d9b8a6c4e',
  Cookie: 'session=6f1c2b7e9d3a4c5f8e0b1a2d3c4e5f60; theme=dark; consent=necessary,statistics',
  'Sec-Fetch-Dest': 'empty',
  'Sec-Fetch-Mode': 'cors',
  'Sec-Fetch-Site': 'same-origin',
  'X-Request-Id': '7d9f2c1e-5b3a-4e8d-9c6f-1a2b3c4d5e6f',
};

type Row = readonly [
  name: string,
  title: string,
  connections: number,
  path: string,
  more?: Omit<Load, 'connections' | 'path'>,
];

const [h2, h2c] = ['HTTP/2 over TLS to HTTP/1.1', 'HTTP/2 without TLS to HTTP/1.1'];
const [tls, closing] = [{ entry: 'https' }, { Connection: 'close' }] as const;

const rows: readonly Row[] = [
  ['small', 'small GET, keep-alive', 64, '/small'],
  ['realistic', 'GET with 12 header fields, 600 bytes', 64, '/small', { headers: realisticHeaders }],
  ['10k', '10 KB response', 64, '/10k'],
  ['64k', '64 KB response', 32, '/64k'],
  ['1m', '1 MB response', 16, '/1m'],
  ['upload-64k', '64 KB upload', 32, '/upload', { uploadBytes: 64 * 1024 }],
  ['upload-1m', '1 MB upload', 16, '/upload', { uploadBytes: 1024 * 1024 }],
  ['connection', 'new connection for each request', 64, '/small', { headers: closing }],
  // The p99 of a shorter run would be that of its start, when all connections open at once.
  ['paced', 'small GET, 4,000 a second', 256, '/small', { thinkTime: 64, seconds: 5 }],
  ['tls-small', 'TLS 1.3: small GET, keep-alive', 64, '/small', tls],
  ['tls-64k', 'TLS 1.3: 64 KB response', 32, '/64k', tls],
  ['tls-handshake', 'TLS 1.3: full handshake for each request', 32, '/small', { ...tls, headers: closing }],
  ['tls-resumed', 'TLS 1.3: resumed session for each request', 4, '/small', { ...tls, resumes: true }],
  ['h2-small', `${h2}: small GET, 10 connections of 10 streams`, 10, '/small', { ...tls, streams: 10 }],
  ['h2-64k', `${h2}: 64 KB response, 10 connections of 10 streams`, 10, '/64k', { ...tls, streams: 10 }],
  ['h2-single', `${h2}: small GET, 50 connections of one stream`, 50, '/small', { ...tls, streams: 1 }],
  [
    'h2c-small',
    `${h2c}: small GET, 10 connections of 10 streams`,
    10,
    '/small',
    { entry: 'h2c', streams: 10 },
  ],
];

export const scenarios: readonly Scenario[] = rows.map(([name, title, connections, path, more]) => ({
  name,
  title,
  load: { connections, path, ...more },
}));
