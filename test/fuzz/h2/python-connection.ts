// Debian's python3-h2, fed with the bytes of clients, a piece at a time: the third opinion.
import { spawnSync } from 'node:child_process';
import { errorName } from '../../../core/http/h2/frames.ts';
import { type ConnectionOutcome, emptyOutcome, headOf } from './connection-outcome.ts';

const program = `
import json, sys
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2 import events as e
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
latin1 = lambda b: b.decode('latin1') if isinstance(b, bytes) else b
for line in sys.stdin:
    c = H2Connection(config=H2Configuration(client_side=False, header_encoding=None))
    c.local_settings.update({SettingCodes.MAX_CONCURRENT_STREAMS: 128, SettingCodes.MAX_HEADER_LIST_SIZE: 10**6})
    c.local_settings.acknowledge()
    c.initiate_connection()
    c.increment_flow_control_window(1024 * 1024 - 65535)
    requests, resets, died, at, why = {}, {}, -1, -1, ''
    for n, piece in enumerate(json.loads(line)):
        try:
            seen = c.receive_data(bytes.fromhex(piece))
        except ProtocolError as error:
            died, at, why = int(error.error_code), n, type(error).__name__ + ': ' + str(error)
            break
        except Exception as error:
            died, at, why = -2, n, repr(error)
            break
        for event in seen:
            if isinstance(event, e.RequestReceived):
                requests[event.stream_id] = {'head': [[latin1(x), latin1(y)] for x, y in event.headers], 'body': 0, 'complete': False}
            elif isinstance(event, e.DataReceived):
                if event.stream_id in requests: requests[event.stream_id]['body'] += len(event.data)
            elif isinstance(event, e.StreamEnded):
                if event.stream_id in requests: requests[event.stream_id]['complete'] = True
            elif isinstance(event, e.StreamReset) and not event.remote_reset:
                resets[event.stream_id] = int(event.error_code)
    print(json.dumps({'requests': requests, 'resets': resets, 'died': died, 'at': at, 'why': why}))
`;

const python = ['/usr/bin/python3', 'python3'].find(
  command => spawnSync(command, ['-c', 'import h2']).status === 0,
);

/** Is it there? */
export const hasPythonH2: boolean = python !== undefined;

interface Answer {
  readonly requests: Record<string, { head: [string, string][]; body: number; complete: boolean }>;
  readonly resets: Record<string, number>;
  readonly died: number;
  readonly at: number;
  readonly why: string;
}

/** What Python says, with the piece at which it ended the connection. */
export interface PythonOutcome extends ConnectionOutcome {
  readonly why: string;
}

/** Feeds each client's bytes to a connection of its own. */
export function readByPython(cases: readonly (readonly Buffer[])[]): PythonOutcome[] {
  const { status, stdout, stderr } = spawnSync(python ?? '', ['-c', program], {
    input: cases.map(pieces => JSON.stringify(pieces.map(piece => piece.toString('hex')))).join('\n'),
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(stderr);
  return stdout
    .trim()
    .split('\n')
    .map(line => outcomeOf(JSON.parse(line)));
}

function outcomeOf({ requests, resets, died, at, why }: Answer): PythonOutcome {
  const outcome = { ...emptyOutcome(), why };
  for (const [id, { head, body, complete }] of Object.entries(requests)) {
    outcome.requests.set(Number(id), { head: headOf(head), body, complete });
  }
  for (const [id, code] of Object.entries(resets)) outcome.resets.set(Number(id), errorName(code));
  outcome.diedAt = at;
  outcome.died = died === -1 ? '' : died === -2 ? 'exception' : errorName(died);
  return outcome;
}
