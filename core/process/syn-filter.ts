// SynFilter: makes listening sockets silently drop new connections to some addresses. A refused client gives up; one that
// gets no reply tries again after a second, and reaches the node that has the address by then.

import type { SendHandle } from 'node:child_process';
import { spawn } from 'node:child_process';
import { isIP } from 'node:net';
import { addressBytes } from '../network/address-bytes.ts';

// A socket filter (SO_ATTACH_FILTER, classic BPF). Connections inherit it from their listener, and are not disturbed: none
// of them receives a SYN. Node cannot set socket options; every Debian has perl.
const script = `my ($count, $hex) = @ARGV;
my $program = pack('H*', $hex);
my $option = length($program) > 0 ? 26 : 27;
my $value = $option == 26 ? pack('S x![P] P', length($program) / 8, $program) : pack('i', 0);
for my $fd (3 .. 2 + $count) {
  open(my $socket, '+<&=', $fd) or exit 1;
  setsockopt($socket, 1, $option, $value) or ($option == 27 && $!{ENOENT}) or exit 1;
}`;

/** How long perl may take, ms. */
const patience = 200;

/** `impossible`: there is no perl, or this is not Linux. `failed`: what the sockets do is unknown. */
export type Filtered = 'done' | 'failed' | 'impossible';

/** Makes these sockets drop what opens a connection to one of these addresses; resolves with whether they do. */
export async function dropNewConnections(
  handles: readonly SendHandle[],
  addresses: readonly string[],
): Promise<Filtered> {
  return await setFilter(handles, filterOf(addresses));
}

/** Makes these sockets take all connections again; resolves with whether they do. */
export async function takeNewConnections(handles: readonly SendHandle[]): Promise<Filtered> {
  return await setFilter(handles, '');
}

async function setFilter(handles: readonly SendHandle[], program: string): Promise<Filtered> {
  const fds = handles.flatMap(handle => fdOf(handle) ?? []);
  if (process.platform !== 'linux' || fds.length === 0) return 'impossible';
  const child = spawn('perl', ['-MErrno', '-e', script, String(fds.length), program], {
    stdio: ['ignore', 'ignore', 'ignore', ...fds],
  });
  const { promise, resolve } = Promise.withResolvers<Filtered>();
  child.on('error', () => resolve('impossible'));
  child.on('exit', code => resolve(code === 0 ? 'done' : 'failed'));
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
    resolve('failed');
  }, patience);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

function fdOf(handle: SendHandle): number | undefined {
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

// --- the program -------------------------------------------------------------------------------------------------

/** Instruction codes (linux/bpf_common.h). */
const loadWord = 0x20;
const loadByte = 0x30;
const and = 0x54;
const ifEqual = 0x15;
const end = 0x06;

/** Where the packet's own header begins, as a filter names it (SKF_NET_OFF); TCP's begins at 0. */
const ipHeader = 0xfff00000;
const flagsAt = 13;
const destinationAt = { 4: 16, 6: 24 } as const;
const all = 0xffffffff;

/** Returns the program in hexadecimal: it drops a SYN without ACK to one of the addresses, and keeps all others. */
function filterOf(addresses: readonly string[]): string {
  const program = [
    instruction(loadByte, flagsAt),
    instruction(and, 0x12),
    instruction(ifEqual, 0x02, { equal: 1 }),
    instruction(end, all),
    ...addresses.flatMap(dropsFor),
    instruction(end, all),
  ];
  return program.join('');
}

function dropsFor(address: string): string[] {
  const family = isIP(address) === 6 ? 6 : 4;
  const words = wordsOf(address);
  const length = 1 + 2 * words.length;
  return [
    instruction(loadByte, ipHeader),
    instruction(and, 0xf0),
    instruction(ifEqual, family << 4, { other: length }),
    ...words.flatMap((word, n) => [
      instruction(loadWord, ipHeader + destinationAt[family] + 4 * n),
      instruction(ifEqual, word, { other: length - 2 * (n + 1) }),
    ]),
    instruction(end, 0),
  ];
}

/** `equal`, `other`: how many instructions it skips in each case. */
function instruction(code: number, value: number, { equal = 0, other = 0 } = {}): string {
  const bytes = Buffer.alloc(8);
  const isLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  if (isLittle) bytes.writeUInt16LE(code, 0);
  else bytes.writeUInt16BE(code, 0);
  bytes.writeUInt8(equal, 2);
  bytes.writeUInt8(other, 3);
  if (isLittle) bytes.writeUInt32LE(value, 4);
  else bytes.writeUInt32BE(value, 4);
  return bytes.toString('hex');
}

/** Returns an address as words of 32 bits. */
function wordsOf(address: string): number[] {
  const bytes = addressBytes(address);
  const words: number[] = [];
  for (let at = 0; at < bytes.length; at += 4)
    words.push(Buffer.from(bytes.slice(at, at + 4)).readUInt32BE());
  return words;
}
