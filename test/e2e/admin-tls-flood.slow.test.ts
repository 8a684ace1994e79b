// The same over TLS: callers that send to the admin API and never read, and handshakes that stall.
import * as assert from 'uvu/assert';
import { makeCertificate } from '../support/authority.ts';
import { suite } from '../support/suite.ts';
import { floodAdmin } from './admin-flood.ts';

const test = suite('admin API over TLS under a flood', { alone: true });

const certificate = makeCertificate({ names: ['127.0.0.1'] });
const callers = 256;
const eachSends = 512 * 1024;
/** As without TLS, bytes. */
const allowance = 128 * 1024 * 1024;

/** The start of a handshake whose record declares the greatest length. */
const halfHello = Buffer.concat([
  Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3]),
  Buffer.alloc(8_000),
]);

const kinds: Readonly<Record<string, { handshake: boolean; bytesFor: (host: string) => string | Buffer }>> = {
  'requests for /servers': {
    handshake: true,
    bytesFor: host => `GET /servers HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(8_000),
  },
  'bodies that do not end': {
    handshake: true,
    bytesFor: host =>
      `POST /batch HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 500000\r\n\r\n${' '.repeat(490_000)}`,
  },
  'handshakes that stall': { handshake: false, bytesFor: () => halfHello },
};

for (const [kind, { handshake, bytesFor }] of Object.entries(kinds)) {
  test(`${callers} callers that send ${kind} and never read take little memory, and no probe fails`, async () => {
    const grew = await floodAdmin({ callers, eachSends, bytesFor, tls: { ...certificate, handshake } });
    assert.ok(grew < allowance, `grew by ${grew}`);
  });
}
