// The fuzzer of HPACK: field blocks as Weldr and Debian's python3-hpack read them, and blocks that Weldr writes.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { crc32 } from 'node:zlib';
import { HpackDecoder } from '../../../core/http/h2/hpack-decoder.ts';
import { HpackEncoder } from '../../../core/http/h2/hpack-encoder.ts';
import type { Random } from '../../support/random.ts';
import { blocksOf, type Field, randomField } from './hpack-cases.ts';

/**
 * Reads a line for each connection: the limit of its table, and its blocks. Prints a checksum of the fields of each block,
 * or `!` and the error, after which it stops.
 */
const program = `
import sys, zlib
from hpack import Decoder
for line in sys.stdin:
    limit, *blocks = line.split(' ')
    decoder = Decoder(max_header_list_size=10**9)
    decoder.max_allowed_table_size = int(limit)
    answers = []
    for block in blocks:
        try:
            fields = decoder.decode(bytes.fromhex(block), raw=True)
        except Exception as error:
            answers.append('!' + type(error).__name__)
            break
        answers.append(str(zlib.crc32(b''.join(b'%d:%b%d:%b' % (len(n), n, len(v), v) for n, v in fields))))
    print(' '.join(answers))
`;

const python = ['/usr/bin/python3', 'python3'].find(
  command => spawnSync(command, ['-c', 'import hpack']).status === 0,
);

/** Whether the other decoder is installed. */
export const hasPythonHpack: boolean = python !== undefined;

/** The results of a run. */
export interface HpackFigures {
  blocks: number;
  /** Blocks that both refused. */
  refused: number;
  /** Blocks that only Weldr refused, by the reason. */
  readonly stricter: Map<string, number>;
  readonly findings: string[];
}

/** What Weldr refuses beyond Python: RFC 7541 sections 4.2 and 5.1 leave the limit to each side. */
const stricter: ReadonlySet<string> = new Set([
  'more than two table size updates',
  'an integer over 2^31',
  'an integer of over six bytes',
]);

interface Connection {
  readonly limit: number;
  readonly blocks: readonly Buffer[];
  /** For each block: the checksum of its fields, or why it is refused. */
  readonly ours: readonly (number | string)[];
}

/** Compares at least `blocks` field blocks: half of the connections are read by both, half are written by Weldr. */
export async function fuzzHpack(blocks: number, random: Random): Promise<HpackFigures> {
  const figures: HpackFigures = { blocks: 0, refused: 0, stricter: new Map(), findings: [] };
  while (figures.blocks < blocks && figures.findings.length < 20) {
    const atMost = Math.min(20_000, Math.ceil((blocks - figures.blocks) / 2));
    // While Python reads one lot, this process makes the other.
    await Promise.all([compareLot(atMost, random, figures), compareLot(atMost, random, figures)]);
  }
  return figures;
}

async function compareLot(blocks: number, random: Random, figures: HpackFigures): Promise<void> {
  const connections: Connection[] = [];
  for (let count = 0; count < blocks; ) {
    const connection = random.below(2) === 0 ? readConnection(random) : writtenConnection(random);
    connections.push(connection);
    count += connection.ours.length;
  }
  const answers = await ask(connections);
  for (const [n, connection] of connections.entries()) compare(connection, answers[n] ?? '', figures);
}

const sum = (fields: readonly Field[]): number =>
  crc32(
    Buffer.from(
      fields.map(([name, value]) => `${name.length}:${name}${value.length}:${value}`).join(''),
      'latin1',
    ),
  );

function readConnection(random: Random): Connection {
  const blocks = blocksOf(random);
  const decoder = new HpackDecoder();
  const ours: (number | string)[] = [];
  for (const block of blocks) {
    const fields: Field[] = [];
    const isRead = decoder.decode(block, 0, block.length, { onField: (...field) => void fields.push(field) });
    ours.push(isRead ? sum(fields) : decoder.problem);
    if (!isRead) break;
  }
  return { limit: 4096, blocks, ours };
}

function writtenConnection(random: Random): Connection {
  const limit = random.of([0, 100, 4096, 4096, 20_000]);
  const encoder = new HpackEncoder(limit);
  encoder.setMaxTableSize(limit);
  const blocks: Buffer[] = [];
  const ours: number[] = [];
  for (let count = 1 + random.below(24); count > 0; count--) {
    for (let changes = random.below(8) === 0 ? 1 + random.below(2) : 0; changes > 0; changes--) {
      encoder.setMaxTableSize(random.of([0, 50, 300, 4096, 20_000]));
    }
    const fields = Array.from({ length: random.below(9) }, () => randomField(random));
    encoder.begin();
    for (const [name, value] of fields) encoder.field(name, value);
    blocks.push(Buffer.from(encoder.end()));
    ours.push(sum(fields));
  }
  return { limit: 20_000, blocks, ours };
}

async function ask(connections: readonly Connection[]): Promise<string[]> {
  const child = spawn(python ?? '', ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('latin1').on('data', text => {
    said += text;
  });
  // An empty block is two spaces in a row.
  const lines = connections.map(({ limit, blocks }) =>
    [limit, ...blocks.map(block => block.toString('hex'))].join(' '),
  );
  child.stdin.end(`${lines.join('\n')}\n`);
  await once(child, 'close');
  return said.trimEnd().split('\n');
}

function compare({ blocks, ours }: Connection, answer: string, figures: HpackFigures): void {
  const theirs = answer.split(' ');
  for (const [n, mine] of ours.entries()) {
    figures.blocks++;
    const its = theirs[n] ?? 'nothing';
    if (typeof mine === 'string' && its.startsWith('!')) {
      figures.refused++;
      return;
    }
    if (typeof mine === 'string' && stricter.has(mine)) {
      figures.stricter.set(mine, (figures.stricter.get(mine) ?? 0) + 1);
      return;
    }
    if (String(mine) !== its) {
      const input = blocks.slice(0, n + 1).map(block => block.toString('hex'));
      figures.findings.push(`block ${n}: ${mine} here, ${its} there\n  ${input.join(' ')}`);
      return;
    }
  }
}
