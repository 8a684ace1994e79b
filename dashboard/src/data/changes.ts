// Changes made by the page, by the same calls as curl; each reports what it did and offers to undo it.
import { call, textOf } from './api.ts';
import { plural } from './format.ts';
import { loadSoon } from './live.ts';
import { hrefOf, nameOf, type Server, withQuery } from './server.ts';
import { tell } from './toasts.ts';

export type OperatorState = 'active' | 'draining' | 'disabled';

/** The most changes of a batch. */
const maxBatch = 100;
const done: Readonly<Record<OperatorState, string>> = {
  active: 'enabled',
  draining: 'draining',
  disabled: 'disabled',
};

/** Returns the state that an operator gave a server; one that is down counts as active. */
const stateBefore = ({ state }: Server): OperatorState => (state === 'down' ? 'active' : state);

/** Runs a change and reports errors. Resolves with whether it was made. */
async function change(what: string, run: () => Promise<void>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (thrown) {
    tell({ kind: 'failed', text: `${what}: ${textOf(thrown)}` });
    return false;
  } finally {
    loadSoon(100);
  }
}

const nameAll = (list: readonly Server[]): string =>
  list.length === 1 && list[0] !== undefined ? nameOf(list[0].id) : plural(list.length, 'server');

async function patch(servers: readonly Server[], fieldsOf: (server: Server) => object): Promise<void> {
  const [only] = servers;
  const href = only === undefined ? undefined : hrefOf(only);
  if (servers.length === 1 && only !== undefined && href !== undefined) {
    await call('PATCH', href, fieldsOf(only));
    return;
  }
  for (let at = 0; at < servers.length; at += maxBatch) {
    const changes = servers
      .slice(at, at + maxBatch)
      .map(server => ({ op: 'patch', pool: server.pool, url: server.id, value: fieldsOf(server) }));
    await call('POST', '/batch', { changes });
  }
}

/** Drains, disables or enables. */
export async function setState(servers: readonly Server[], state: OperatorState): Promise<void> {
  const before = new Map(servers.map(server => [server.key, stateBefore(server)]));
  const changed = servers.filter(server => stateBefore(server) !== state);
  if (changed.length === 0) return;
  const name = nameAll(changed);
  if (!(await change(`${name} was not changed`, () => patch(changed, () => ({ state }))))) return;
  tell({
    kind: state === 'draining' ? 'draining' : 'done',
    text: state === 'draining' ? name : `${name} ${done[state]}`,
    ...(state === 'draining' && { servers: changed.map(({ key }) => key) }),
    undo: async () => {
      const back = (server: Server) => ({ state: before.get(server.key) });
      if (await change(`${name} stays ${done[state]}`, () => patch(changed, back)))
        tell({ kind: 'done', text: `${name} restored` });
    },
  });
}

export async function setWeight(servers: readonly Server[], weight: number): Promise<void> {
  const before = new Map(servers.map(server => [server.key, server.facts?.weight ?? 1]));
  const name = nameAll(servers);
  if (!(await change(`${name} keeps its weight`, () => patch(servers, () => ({ weight }))))) return;
  tell({
    kind: 'done',
    text: `${name} has weight ${weight}`,
    undo: async () => {
      const back = (server: Server) => ({ weight: before.get(server.key) });
      if (await change(`${name} keeps weight ${weight}`, () => patch(servers, back)))
        tell({ kind: 'done', text: `${name} restored` });
    },
  });
}

/** Removes servers; `now`: without waiting for their requests. */
export async function remove(servers: readonly Server[], how: 'when empty' | 'now'): Promise<void> {
  const name = nameAll(servers);
  const isDone = await change(`${name} was not removed`, async () => {
    for (const server of servers) {
      const href = hrefOf(server);
      if (href !== undefined) await call('DELETE', how === 'now' ? withQuery(href, 'force') : href);
    }
  });
  if (!isDone) return;
  // Forgetting the removal restores servers of a config or a source; those that an operator added are gone.
  const [only] = servers;
  const isKept = servers.length === 1 && only?.facts !== undefined && !isOwn(only.facts.layer);
  const href = only === undefined ? undefined : hrefOf(only);
  tell({
    kind: 'done',
    text: how === 'now' ? `${name} removed` : `${name} removed; requests in flight may finish`,
    ...(isKept &&
      href !== undefined && {
        undo: async () => {
          if (await change(`${name} stays removed`, () => call('DELETE', withQuery(href, 'override'))))
            tell({ kind: 'done', text: `${name} restored` });
        },
      }),
  });
}

/** Returns whether a server of this layer was added at run time, so that nothing of it is left once it is removed. */
export const isOwn = (layer: string): boolean => layer === 'api' || layer === 'cluster';

/** Forgets what an operator changed: one field, or all. */
export async function forget(server: Server, field?: string): Promise<void> {
  const href = hrefOf(server);
  if (href === undefined) return;
  const name = nameOf(server.id);
  const what = field === undefined ? 'override' : `override=${encodeURIComponent(field)}`;
  if (await change(`${name} was not reset`, () => call('DELETE', withQuery(href, what))))
    tell({ kind: 'done', text: `${name}: ${field ?? 'all fields'} reset` });
}

export interface NewServer {
  readonly url: string;
  readonly weight?: number;
  readonly state?: OperatorState;
  readonly backup?: boolean;
}

/** Adds a server. Throws the API's error, which the form shows. */
export async function add(pool: string, server: NewServer): Promise<void> {
  await call('POST', `/pools/${encodeURIComponent(pool)}/servers`, server);
  loadSoon(0);
  tell({ kind: 'done', text: `${nameOf(server.url)} added to ${pool}` });
}
