// Scenarios: the loads for the comparison of CPU per request.
import type { Load } from './load.ts';

/** A load with a name. */
export interface Scenario {
  /** Its name for `--scenario`. */
  readonly name: string;
  readonly title: string;
  readonly load: Load;
  /** Is it part of `--quick`? */
  readonly quick: boolean;
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

export const scenarios: readonly Scenario[] = [
  {
    name: 'small',
    title: 'small GET, keep-alive',
    load: { path: '/small', connections: 64 },
    quick: true,
  },
  {
    name: 'realistic',
    title: 'GET with 12 header fields, 600 bytes',
    load: { path: '/small', connections: 64, headers: realisticHeaders },
    quick: true,
  },
  {
    name: '10k',
    title: '10 KB response',
    load: { path: '/10k', connections: 64 },
    quick: false,
  },
  {
    name: '64k',
    title: '64 KB response',
    load: { path: '/64k', connections: 32 },
    quick: true,
  },
  {
    name: '1m',
    title: '1 MB response',
    load: { path: '/1m', connections: 16 },
    quick: false,
  },
  {
    name: 'upload-64k',
    title: '64 KB upload',
    load: { path: '/upload', connections: 32, uploadBytes: 64 * 1024 },
    quick: false,
  },
  {
    name: 'upload-1m',
    title: '1 MB upload',
    load: { path: '/upload', connections: 16, uploadBytes: 1024 * 1024 },
    quick: false,
  },
  {
    name: 'connection',
    title: 'new connection for each request',
    load: { path: '/small', connections: 64, headers: { Connection: 'close' } },
    quick: false,
  },
  {
    name: 'tls-small',
    title: 'TLS 1.3: small GET, keep-alive',
    load: { path: '/small', connections: 64, entry: 'https' },
    quick: false,
  },
  {
    name: 'tls-64k',
    title: 'TLS 1.3: 64 KB response',
    load: { path: '/64k', connections: 32, entry: 'https' },
    quick: false,
  },
  {
    name: 'tls-handshake',
    title: 'TLS 1.3: full handshake for each request',
    load: { path: '/small', connections: 32, entry: 'https', headers: { Connection: 'close' } },
    quick: false,
  },
  {
    name: 'tls-resumed',
    title: 'TLS 1.3: resumed session for each request',
    load: { path: '/small', connections: 4, entry: 'https', resumes: true },
    quick: false,
  },
  {
    name: 'h2-small',
    title: 'HTTP/2 over TLS to HTTP/1.1: small GET, 10 connections of 10 streams',
    load: { path: '/small', connections: 10, entry: 'https', streams: 10 },
    quick: false,
  },
  {
    name: 'h2-64k',
    title: 'HTTP/2 over TLS to HTTP/1.1: 64 KB response, 10 connections of 10 streams',
    load: { path: '/64k', connections: 10, entry: 'https', streams: 10 },
    quick: false,
  },
  {
    name: 'h2-single',
    title: 'HTTP/2 over TLS to HTTP/1.1: small GET, 50 connections of one stream',
    load: { path: '/small', connections: 50, entry: 'https', streams: 1 },
    quick: false,
  },
  {
    name: 'h2c-small',
    title: 'HTTP/2 without TLS to HTTP/1.1: small GET, 10 connections of 10 streams',
    load: { path: '/small', connections: 10, entry: 'h2c', streams: 10 },
    quick: false,
  },
];
