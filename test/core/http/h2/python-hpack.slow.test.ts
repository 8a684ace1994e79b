// Field blocks against another implementation: Debian's python3-hpack, both ways and on broken blocks.
import { spawnSync } from 'node:child_process';
import * as assert from 'uvu/assert';
import { HpackDecoder } from '../../../../core/http/h2/hpack-decoder.ts';
import { HpackEncoder } from '../../../../core/http/h2/hpack-encoder.ts';
import { staticCount, staticNames, staticValues } from '../../../../core/http/h2/static-table.ts';
import { randomOf } from '../../../support/random.ts';
import { suite } from '../../../support/suite.ts';
import type { Field } from './hpack-examples.ts';

const test = suite('field blocks against python3-hpack', { timeoutMs: 300_000 });

/** Returns a line of JSON for each line of JSON. Each connection has its own tables. */
const program = `
import json, sys
from hpack import Decoder, Encoder, HPACKError
latin1 = lambda b: b.decode('latin1') if isinstance(b, bytes) else b
for line in sys.stdin:
    connection = json.loads(line)
    encoder, decoder = Encoder(), Decoder(max_header_list_size=10**9)
    decoder.max_allowed_table_size = connection.get('limit', 4096)
    answers = []
    for step in connection['steps']:
        if 'block' in step:
            try:
                fields = decoder.decode(bytes.fromhex(step['block']), raw=True)
                answers.append([[latin1(n), latin1(v)] for n, v in fields])
            except (HPACKError, Exception) as error:
                answers.append({'error': repr(error)})
                break
        else:
            if 'size' in step:
                encoder.header_table_size = step['size']
            fields = [(n.encode('latin1'), v.encode('latin1'), s) for n, v, s in step['fields']]
            answers.append(encoder.encode(fields, huffman=step['huffman']).hex())
    print(json.dumps(answers))
`;

const python = ['python3', '/usr/bin/python3'].find(
  command => spawnSync(command, ['-c', 'import hpack']).status === 0,
);

/** The answers of Python, one list for each connection. */
function ask(connections: readonly object[]): unknown[][] {
  const { status, stdout, stderr } = spawnSync(python ?? '', ['-c', program], {
    input: connections.map(connection => JSON.stringify(connection)).join('\n'),
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  assert.is(status, 0, stderr);
  const answers: unknown[] = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  return answers.map(answer => {
    assert.ok(Array.isArray(answer));
    return answer;
  });
}

function compare(behaviour: string, body: () => void): void {
  if (python === undefined) test.skip(behaviour, 'python3-hpack is not installed', body);
  else test(behaviour, body);
}

function randomText(random: (n: number) => number): string {
  const range = random(4) === 0 ? 256 : 26;
  let text = '';
  for (let length = random(20) === 0 ? random(600) : random(30); length > 0; length--) {
    text += String.fromCharCode(range === 26 ? 97 + random(26) : random(256));
  }
  return text;
}

function randomField(random: (n: number) => number): Field {
  const index = 1 + random(staticCount);
  const name = random(2) === 0 ? (staticNames[index] ?? '') : `x-${random(30)}`;
  if (random(3) === 0) return [name, staticValues[index] ?? ''];
  return [name, random(2) === 0 ? `value ${random(5)}` : randomText(random)];
}

function randomBlocks(random: (n: number) => number): Field[][] {
  return Array.from({ length: 1 + random(30) }, () =>
    Array.from({ length: random(12) }, () => randomField(random)),
  );
}

function encoded(encoder: HpackEncoder, fields: readonly Field[]): string {
  encoder.begin();
  for (const [name, value] of fields) encoder.field(name, value);
  return encoder.end().toString('hex');
}

/** The fields of a block, or why it is refused. */
function decoded(decoder: HpackDecoder, hex: string): Field[] | string {
  const fields: Field[] = [];
  const block = Buffer.from(hex, 'hex');
  const taken = decoder.decode(block, 0, block.length, { onField: (...field) => fields.push(field) });
  return taken ? fields : decoder.problem;
}

compare('what this side encodes, Python decodes', () => {
  const connections = Array.from({ length: 400 }, (_, seed) => {
    const random = randomOf(seed);
    const limit = [0, 100, 4096, 20_000][seed & 3] ?? 0;
    const encoder = new HpackEncoder(limit);
    encoder.setMaxTableSize(limit);
    const blocks = randomBlocks(random);
    const steps = blocks.map(fields => {
      if (random(5) === 0) encoder.setMaxTableSize(random(20_000));
      if (random(10) === 0) encoder.setMaxTableSize(random(300));
      return { block: encoded(encoder, fields) };
    });
    return { limit: 20_000, steps, blocks };
  });
  const answers = ask(connections.map(({ limit, steps }) => ({ limit, steps })));
  assert.equal(
    answers,
    connections.map(({ blocks }) => blocks),
  );
});

compare('what Python encodes, this side decodes', () => {
  const connections = Array.from({ length: 400 }, (_, seed) => {
    const random = randomOf(1000 + seed);
    const huffman = random(2) === 0;
    const blocks = randomBlocks(random);
    const steps = blocks.map(fields => ({
      fields: fields.map(([name, value]) => [name, value, random(10) === 0]),
      huffman,
      ...(random(6) === 0 ? { size: random(2) === 0 ? random(300) : random(4097) } : {}),
    }));
    return { steps, blocks };
  });
  const answers = ask(connections.map(({ steps }) => ({ steps })));
  connections.forEach(({ blocks }, seed) => {
    const decoder = new HpackDecoder();
    blocks.forEach((fields, at) => {
      assert.equal(decoded(decoder, `${answers[seed]?.[at]}`), fields, `connection ${seed}, block ${at}`);
    });
  });
});

/** What Weldr refuses and Python does not: RFC 7541 sections 4.2 and 5.1 leave the limit to each side, or require it. */
const stricter = /^(?:more than two table size updates|an integer over 2\^31|an integer of over six bytes)$/;

compare('of broken blocks, this side takes none that Python refuses, and reads none otherwise', () => {
  const connections = Array.from({ length: 20_000 }, (_, seed) => {
    const random = randomOf(5000 + seed);
    const encoder = new HpackEncoder();
    const blocks = randomBlocks(random)
      .slice(0, 3)
      .map(fields => Buffer.from(encoded(encoder, fields), 'hex'));
    for (const block of blocks) {
      for (let edits = random(3); edits > 0 && block.length > 0; edits--)
        block[random(block.length)] = random(256);
    }
    const whole = blocks.map(block =>
      block.subarray(0, random(4) === 0 ? random(block.length + 1) : block.length),
    );
    const noise = Buffer.from(Array.from({ length: random(12) }, () => random(256)));
    return { steps: [...whole, noise].map(block => ({ block: block.toString('hex') })) };
  });
  const answers = ask(connections);
  let refused = 0;
  connections.forEach(({ steps }, seed) => {
    const decoder = new HpackDecoder();
    for (const [at, { block }] of steps.entries()) {
      const ours = decoded(decoder, block);
      const theirs = answers[seed]?.[at];
      const message = `connection ${seed}, block ${at}: ${block}\n${JSON.stringify(ours)}\n${JSON.stringify(theirs)}`;
      if (typeof ours === 'string') {
        refused++;
        assert.ok(!Array.isArray(theirs) || stricter.test(ours), message);
        return;
      }
      assert.equal(ours, theirs, message);
    }
  });
  assert.ok(refused > 1000, `only ${refused} blocks were refused`);
});
