// Servers as a kind of the state that changes at run time: `POOL/URL`, a definition.
import { WeldrError } from '../errors.ts';
import type { Kind } from '../state/entity.ts';
import { expectObject, parseKnown, parseObject } from '../state/known-fields.ts';
import type { JsonObject } from '../state/merge-patch.ts';
import { isPoolName } from './pool-name.ts';
import { type ServerDefinition, serverDefinition } from './server-definition.ts';

/** The name of the kind. */
export const serverKindName = 'server';

const fields: ReadonlySet<string> = new Set(Object.keys(serverDefinition.shape));

/** The key of a server. */
export const serverKey = (pool: string, id: string): string => `${pool}/${id}`;

/** The parts of a server's key. Throws INPUT_INVALID for anything else. */
export function partsOfServerKey(key: string): { pool: string; id: string } {
  const slash = key.indexOf('/');
  const pool = key.slice(0, Math.max(0, slash));
  const id = key.slice(slash + 1);
  if (isPoolName(pool) && id !== '') return { pool, id };
  throw new WeldrError(
    'INPUT_INVALID',
    `${JSON.stringify(key)} is not the key of a server: expected POOL/URL`,
  );
}

/** The kind. */
export const serverKind: Kind = {
  name: serverKindName,
  identity: ['url'],
  secret: ['tls'],
  isKey(key) {
    const slash = key.indexOf('/');
    return isPoolName(key.slice(0, Math.max(0, slash))) && key.length > slash + 1;
  },
  knows: field => fields.has(field),
  describe(key) {
    const { pool, id } = partsOfServerKey(key);
    return `server ${id} in pool ${pool}; GET ${pool === 'default' ? '' : `/pools/${pool}`}/servers lists them`;
  },
  lifetime: ({ ttl }) => (typeof ttl === 'number' ? ttl : undefined),
  parse: (key, value) => named(key, parseObject(serverDefinition, value)),
  read: (key, value, ignored) => named(key, expectObject(parseKnown(serverDefinition, value, ignored))),
};

/** Checks that a definition is of the server that the key names. */
function named(key: string, value: JsonObject): JsonObject {
  const { id } = partsOfServerKey(key);
  if (value['url'] === id) return value;
  throw new WeldrError('INPUT_INVALID', `url: ${String(value['url'])} is not ${id}, the server's key`, {
    field: 'url',
  });
}

/** An entity of this kind as a definition; the kind has checked it. */
export const definitionOf = (value: JsonObject): ServerDefinition => value as ServerDefinition;
