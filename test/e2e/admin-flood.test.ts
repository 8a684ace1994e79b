// Callers that send to the admin API and never read: the manager's memory stays bounded, and probes are answered.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { floodAdmin } from './admin-flood.ts';

const test = suite('admin API under a flood', { alone: true });

/** Callers at once, and the bytes that each sends without reading. */
const callers = 256;
const eachSends = 512 * 1024;
/**
 * The most growth, bytes; without limits it was over 1 GB. The heap varies by some tens of MB, so this is more than what
 * the manager holds; docs/reliability.md has the figures.
 */
const allowance = 128 * 1024 * 1024;

const kinds: Readonly<Record<string, (host: string) => string>> = {
  'requests for /healthz': host => `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(8_000),
  'requests for /servers': host => `GET /servers HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(8_000),
  'heads that do not end': host => `GET / HTTP/1.1\r\nHost: ${host}\r\nX: ${'x'.repeat(15_000)}`,
  'bodies that do not end': host =>
    `POST /batch HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 500000\r\n\r\n${' '.repeat(490_000)}`,
};

for (const [kind, bytesFor] of Object.entries(kinds)) {
  test(`${callers} callers that send ${kind} and never read take little memory, and no probe fails`, async () => {
    const grew = await floodAdmin({ callers, eachSends, bytesFor });
    assert.ok(grew < allowance, `grew by ${grew}`);
  });
}
