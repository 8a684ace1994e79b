// ContainerServer: the server of a container, by its labels.
import { z } from 'zod';
import { nearest } from '../../core/errors/nearest.ts';
import { hostText } from '../../core/network/host-text.ts';
import { parse, showInput } from '../../core/options/options.ts';
import { isPoolName } from '../../core/pool/pool-name.ts';
import { type ServerInput, serverDefinition } from '../../core/pool/server-definition.ts';

/** The relevant part of a container in the engine's list. */
const container = z.object({
  Id: z.string().max(128),
  Names: z.array(z.string().max(1000)).nullish(),
  Labels: z.record(z.string(), z.string()).nullish(),
  State: z.string(),
  Ports: z.array(z.object({ PrivatePort: z.number(), Type: z.string() })).nullish(),
  NetworkSettings: z
    .object({
      Networks: z
        .record(
          z.string(),
          z.object({ IPAddress: z.string().nullish(), GlobalIPv6Address: z.string().nullish() }).nullable(),
        )
        .nullish(),
    })
    .nullish(),
});

/** A container of an engine's list. */
export type Container = z.output<typeof container>;

/** Defaults for what labels do not say. */
export interface ContainerDefaults {
  readonly pool: string;
  /** The pools that labels may name; undefined: any. */
  readonly pools: readonly string[] | undefined;
  /** Only containers of this pool count; undefined: all do. */
  readonly only: string | undefined;
  readonly network: string | undefined;
  /** The address of containers in the network `host`. */
  readonly hostAddress: string;
}

/** A container that should get requests. */
export interface ContainerServer {
  readonly pool: string;
  readonly url: string;
  readonly server: ServerInput;
}

const known = [
  'enable',
  'pool',
  'port',
  'scheme',
  'weight',
  'backup',
  'max-connections',
  'zone',
  'network',
] as const;
const prefix = 'weldr.';
const labelPrefix = 'label.';

/** Returns a container; undefined: the input is not one. */
export function readContainer(input: unknown): Container | undefined {
  return container.safeParse(input).data;
}

/** Returns the name of a container, such as `shop-web-1`. */
export function nameOf({ Id, Names }: Container): string {
  return Names?.[0]?.replace(/^\//, '') || Id.slice(0, 12);
}

/**
 * Returns the server of a container; undefined: it should not be one. Throws an Error that names the wrong label and the
 * remedy.
 */
export function containerServer(input: Container, defaults: ContainerDefaults): ContainerServer | undefined {
  const labels = ownLabels(input);
  if (!isSwitched(labels, 'enable') || input.State !== 'running') return undefined;
  for (const name of labels.keys()) refuseUnknown(name);
  const pool = poolOf(labels, defaults);
  if (defaults.only !== undefined && pool !== defaults.only) return undefined;
  const scheme = labels.get('scheme') ?? 'http';
  if (!['http', 'https', 'h2c'].includes(scheme)) throw wrong('scheme', scheme, 'http, https or h2c');
  const host = addressOf(input, labels, defaults);
  const url = `${scheme}://${hostText(host)}:${portOf(input, labels)}`;
  const own = [...labels].flatMap(([name, value]) =>
    name.startsWith(labelPrefix) ? [[name.slice(labelPrefix.length), value]] : [],
  );
  const server = {
    url,
    ...(labels.has('weight') && { weight: wholeNumber(labels, 'weight') }),
    ...(isSwitched(labels, 'backup') && { backup: true }),
    ...(labels.has('max-connections') && { maxConnections: wholeNumber(labels, 'max-connections') }),
    ...(labels.has('zone') && { zone: labels.get('zone') }),
    labels: { container: nameOf(input).slice(0, 200), ...Object.fromEntries(own) },
  };
  // A container whose labels are wrong must not affect others.
  return { pool, url: parse(serverDefinition, server, 'INPUT_INVALID').url, server };
}

/** Labels of Weldr, without the prefix. */
function ownLabels({ Labels }: Container): ReadonlyMap<string, string> {
  const own = Object.entries(Labels ?? {}).filter(([name]) => name.startsWith(prefix));
  return new Map(own.map(([name, value]) => [name.slice(prefix.length), value.trim()]));
}

function refuseUnknown(name: string): void {
  if (known.some(other => other === name) || name.startsWith(labelPrefix)) return;
  const near = nearest(name, known);
  const hint =
    near === undefined
      ? `there are ${known.map(other => prefix + other).join(', ')} and ${prefix}${labelPrefix}NAME`
      : `did you mean ${prefix}${near}?`;
  throw new Error(`there is no label ${prefix}${name}; ${hint}`);
}

function isSwitched(labels: ReadonlyMap<string, string>, name: string): boolean {
  const value = labels.get(name)?.toLowerCase() ?? 'false';
  if (value === 'true' || value === 'false') return value === 'true';
  throw wrong(name, value, 'true or false');
}

function wholeNumber(labels: ReadonlyMap<string, string>, name: string): number {
  const value = labels.get(name) ?? '';
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw wrong(name, value, 'a whole number');
}

function poolOf(labels: ReadonlyMap<string, string>, { pool, pools }: ContainerDefaults): string {
  const named = labels.get('pool') ?? pool;
  if (!isPoolName(named)) throw wrong('pool', named, 'the name of a pool');
  if (pools === undefined || pools.includes(named)) return named;
  throw wrong('pool', named, `one of the option pools, ${pools.join(', ')}`);
}

function portOf({ Ports }: Container, labels: ReadonlyMap<string, string>): number {
  if (labels.has('port')) {
    const port = wholeNumber(labels, 'port');
    if (port >= 1 && port <= 65_535) return port;
    throw wrong('port', String(port), 'a port');
  }
  // A published port is listed once for each address.
  const ports = new Set((Ports ?? []).filter(({ Type }) => Type === 'tcp').map(port => port.PrivatePort));
  const [only] = ports;
  if (only !== undefined && ports.size === 1) return only;
  const why =
    only === undefined ? 'it exposes no port' : `it exposes the ports ${[...ports].sort().join(', ')}`;
  throw new Error(`${why}; say which with the label ${prefix}port`);
}

function addressOf(
  { NetworkSettings }: Container,
  labels: ReadonlyMap<string, string>,
  { network, hostAddress }: ContainerDefaults,
): string {
  const networks = NetworkSettings?.Networks ?? {};
  const names = Object.keys(networks);
  const wanted = labels.get('network') ?? (names.length > 1 ? network : undefined);
  if (wanted === undefined && names.length > 1) {
    throw new Error(
      `it is in the networks ${names.join(', ')}; say which with the label ${prefix}network, or the option network`,
    );
  }
  const name = wanted ?? names[0] ?? 'none';
  if (wanted !== undefined && !Object.hasOwn(networks, wanted)) {
    throw new Error(`it is not in the network ${showInput(wanted)}, but in ${names.join(', ') || 'none'}`);
  }
  if (name === 'host') return hostAddress;
  const address = networks[name]?.IPAddress || networks[name]?.GlobalIPv6Address;
  if (address) return address;
  throw new Error(`it has no address in the network ${name}`);
}

function wrong(name: string, value: string, expected: string): Error {
  return new Error(`the label ${prefix}${name}: expected ${expected}, got ${showInput(value)}`);
}
