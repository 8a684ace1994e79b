// A peer: a proxy as the benchmark configures, starts and measures it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { certificate, privateKey } from '../test/support/certificate.ts';
import { freePort, isOpen } from '../test/support/ports.ts';
import type { Entry } from './load.ts';
import { type Running, run, temporaryFolder, waitFor } from './processes.ts';

/** A proxy that can be measured. */
export interface Peer {
  /** Its name for `--only`. */
  readonly name: string;
  /** The command that installs it. */
  readonly install: string;
  /** Returns its version; undefined if it is not installed. */
  version(): string | undefined;
  /** How clients can connect. */
  readonly entries: readonly Entry[];
  /** The name of its config file, and the text; default: that of the file in peers/. `{NAME}` stands for part of the place. */
  readonly config?: { readonly file: string; readonly text?: string };
  /** Returns the command and its arguments. */
  command(place: Place): readonly [string, ...string[]];
  env?(place: Place): Readonly<Record<string, string>>;
}

/** Where a peer runs: paths and ports. */
export interface Place extends Readonly<Record<Entry | 'admin' | 'origin', number>> {
  readonly folder: string;
  readonly config: string;
  /** A PEM file with a certificate (ECDSA on P-256) and its key. */
  readonly certificate: string;
}

/** A peer that accepts connections. */
export interface RunningPeer {
  readonly peer: Peer;
  readonly place: Place;
  readonly process: Running;
}

/** Returns a place with a folder, a certificate, ports and a config file. */
export async function preparePeer({ name, config }: Peer, origin: number): Promise<Place> {
  const folder = temporaryFolder(name);
  const ports = {
    http: await freePort(),
    https: await freePort(),
    h2c: await freePort(),
    admin: await freePort(),
  };
  const paths = { config: join(folder, config?.file ?? ''), certificate: join(folder, 'certificate.pem') };
  const place: Place = { folder, origin, ...ports, ...paths };
  writeFileSync(place.certificate, certificate + privateKey);
  if (config !== undefined) writeFileSync(place.config, fill(config.text ?? templateOf(config.file), place));
  return place;
}

/** Starts a peer at a place. */
export function launchPeer(peer: Peer, place: Place, cores: readonly number[]): Running {
  const [command, ...args] = peer.command(place);
  return run(command, args, { cores, cwd: place.folder, env: peer.env?.(place) ?? {} });
}

/** Starts a peer at a new place. Resolves once it accepts connections. */
export async function startPeer(peer: Peer, origin: number, cores: readonly number[]): Promise<RunningPeer> {
  const place = await preparePeer(peer, origin);
  const process = launchPeer(peer, place, cores);
  for (const entry of peer.entries) {
    await waitFor(process, () => isOpen(`127.0.0.1:${place[entry]}`), { pause: 20 });
  }
  return { peer, place, process };
}

function templateOf(file: string): string {
  return readFileSync(fileURLToPath(new URL(`peers/${file}`, import.meta.url)), 'utf8');
}

function fill(text: string, place: Place): string {
  return Object.entries(place).reduce(
    (filled, [name, value]) => filled.replaceAll(`{${name}}`, String(value)),
    text,
  );
}
