// The origin: nginx with fixed bodies of several sizes, which is cheaper than any proxy in front of it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Peer, type RunningPeer, startPeer } from './peer.ts';
import { reference } from './peers.ts';

/** Starts the origin: `/small`, `/10k`, `/64k`, `/1m`, and `/upload`, which responds after reading the body. */
export async function startOrigin(cores: readonly number[]): Promise<RunningPeer> {
  const peer: Peer = { ...reference, entries: ['http'], config: { file: 'origin.conf' } };
  const origin = await startPeer(peer, 0, cores);
  for (const [name, kilobytes] of Object.entries({ '10k': 10, '64k': 64, '1m': 1024, upload: 0 })) {
    writeFileSync(join(origin.place.folder, name), Buffer.alloc(kilobytes * 1024, 'Weldr benchmark body. '));
  }
  return origin;
}
