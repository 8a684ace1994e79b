// Debian's python3-h2, fed with the bytes of clients, a piece at a time: the third opinion.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { errorName } from '../../../core/http/h2/frames.ts';
import { ConnectionHistory, headOf } from './connection-outcome.ts';

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
    happened, died, at, why = [], -1, -1, ''
    for n, piece in enumerate(line.rstrip().split(' ')):
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
                happened.append([n, event.stream_id, 'request', [[latin1(x), latin1(y)] for x, y in event.headers]])
            elif isinstance(event, e.DataReceived):
                happened.append([n, event.stream_id, 'body', len(event.data)])
            elif isinstance(event, e.StreamEnded):
                happened.append([n, event.stream_id, 'end'])
            elif isinstance(event, e.StreamReset) and not event.remote_reset:
                happened.append([n, event.stream_id, 'reset', int(event.error_code)])
    print(json.dumps({'happened': happened, 'died': died, 'at': at, 'why': why}))
`;

const python = ['/usr/bin/python3', 'python3'].find(
  command => spawnSync(command, ['-c', 'import h2']).status === 0,
);

/** Whether it is installed. */
export const hasPythonH2: boolean = python !== undefined;

type Happened =
  | [at: number, stream: number, what: 'request', fields: [string, string][]]
  | [at: number, stream: number, what: 'body' | 'reset', number: number]
  | [at: number, stream: number, what: 'end'];

interface Answer {
  readonly happened: Happened[];
  readonly died: number;
  readonly at: number;
  readonly why: string;
}

/** Feeds each client's bytes to a separate connection. */
export async function readByPython(cases: readonly (readonly Buffer[])[]): Promise<ConnectionHistory[]> {
  const child = spawn(python ?? '', ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    said += text;
  });
  const lines = cases.map(pieces => pieces.map(piece => piece.toString('hex')).join(' '));
  child.stdin.end(`${lines.join('\n')}\n`);
  await once(child, 'close');
  const answers = said.trimEnd().split('\n');
  if (answers.length !== cases.length) throw new Error(`${answers.length} answers to ${cases.length} cases`);
  return answers.map(line => historyOf(JSON.parse(line)));
}

function historyOf({ happened, died, at, why }: Answer): ConnectionHistory {
  const history = new ConnectionHistory();
  for (const event of happened) {
    const [piece, stream] = event;
    history.piece = piece;
    if (event[2] === 'request') history.request(stream, headOf(event[3]));
    else if (event[2] === 'body') history.body(stream, event[3]);
    else if (event[2] === 'reset') history.reset(stream, errorName(event[3]));
    else history.end(stream);
  }
  history.diedAt = at;
  history.died = died === -1 ? '' : died === -2 ? `exception: ${why}` : errorName(died);
  return history;
}
