// RouteKind: routes as a kind that operators can change at run time: as JSON, except the parts that a config has in code.
import { z } from 'zod';
import { nearest } from '../../core/errors/nearest.ts';
import { WeldrError } from '../../core/errors.ts';
import type { PlainItem, PluginKind } from '../../core/plugin/plugin-kind.ts';
import { type JsonObject, plainJson } from '../../core/state/merge-patch.ts';
import { checkRoute } from './route-checks.ts';
import { asList } from './route-conditions.ts';
import { type OtherwiseOptions, type RouteOptions, routeInText, routeNameProblem } from './route-options.ts';

/** A route as operators write it; its name is the key. */
export const routeByOperator = routeInText
  .omit({ name: true })
  .extend({
    plugins: z
      .array(z.string().min(1).max(100))
      .max(1000)
      .optional()
      .describe('Plugins for the requests of this route, by their names in `define`.'),
  })
  .describe('A route: which requests it takes, and where they go.');

/** The part of the options of `routes` that lists routes. */
interface ListOptions {
  readonly routes: readonly RouteOptions[];
  readonly otherwise?: OtherwiseOptions | undefined;
}

/** The kind. */
export const routeKind: PluginKind<ListOptions, RouteOptions> = {
  name: 'route',
  plural: 'routes',
  plugin: 'routes([])',
  schema: routeByOperator,
  keyProblem: routeNameProblem,
  *items({ routes }) {
    for (const [i, route] of routes.entries()) {
      yield { key: route.name, item: route, field: `routes[${i}].name` };
    }
  },
  plain,
  compose(key, value, configured) {
    const { code } = configured === undefined ? { code: [] } : plain(configured);
    const inCode = Object.fromEntries(code.map(field => [field, Reflect.get(Object(configured), field)]));
    return { ...(value as Omit<RouteOptions, 'name'>), ...inCode, name: key };
  },
  check(route) {
    const { error } = checkedInCode.safeParse(route);
    const [issue] = error?.issues ?? [];
    if (issue === undefined) return;
    const field = issue.path.join('.');
    throw new WeldrError('INPUT_INVALID', field === '' ? issue.message : `${field}: ${issue.message}`, {
      field,
    });
  },
  scope: name => ({ kind: 'route', name }),
  admit(value, { listeners }) {
    const wanted = value['listener'];
    for (const name of wanted === undefined ? [] : asList(wanted)) {
      if (typeof name === 'string' && !listeners.includes(name)) throw noListener(name, listeners);
    }
  },
  pools: poolsOf,
  otherPools: ({ otherwise }) => (otherwise?.pool === undefined ? {} : { otherwise: otherwise.pool }),
};

const checkedInCode = z.custom<RouteOptions>().superRefine(checkRoute);

/** Cached for each route of a config. */
const known = new WeakMap<RouteOptions, PlainItem>();

function plain(route: RouteOptions): PlainItem {
  let made = known.get(route);
  if (made === undefined) {
    made = makePlain(route);
    known.set(route, made);
  }
  return made;
}

function makePlain({ name: _, ...route }: RouteOptions): PlainItem {
  const value: Record<string, unknown> = {};
  const code: string[] = [];
  for (const [field, given] of Object.entries(route)) {
    if (given === undefined) continue;
    const shown = field === 'host' || field === 'path' ? asTexts(given) : given;
    if (shown !== undefined && isPlain(shown) && (field !== 'plugins' || isNames(shown))) {
      value[field] = plainJson(shown);
    } else code.push(field);
  }
  return { value, code };
}

/** Returns patterns as JSON; undefined: one of them can only be written in code. */
function asTexts(given: unknown): unknown {
  if (!Array.isArray(given)) return asText(given);
  const texts = given.map(asText);
  return texts.includes(undefined) ? undefined : texts;
}

function asText(pattern: unknown): unknown {
  if (!(pattern instanceof RegExp)) return pattern;
  const { source, flags } = pattern;
  const kept = flags.replace(/[gy]/g, '');
  if (source.trim() !== source || (kept !== '' && kept !== 'i')) return undefined;
  return `${kept === 'i' ? '~*' : '~'}${source}`;
}

/** Returns whether a value contains only what JSON can express. */
function isPlain(value: unknown): boolean {
  if (typeof value === 'function' || value instanceof RegExp) return false;
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(isPlain);
}

const isNames = (value: unknown): boolean =>
  Array.isArray(value) && value.every(one => typeof one === 'string');

function poolsOf({ pool, split }: Pick<RouteOptions, 'pool' | 'split'> | JsonObject): readonly string[] {
  const pools = typeof pool === 'string' ? [pool] : [];
  return typeof split === 'object' && split !== null ? [...pools, ...Object.keys(split)] : pools;
}

function noListener(name: string, listeners: readonly string[]): WeldrError {
  const near = nearest(name, listeners);
  const hint =
    near === undefined ? `there are ${listeners.join(', ')}` : `did you mean ${JSON.stringify(near)}?`;
  return new WeldrError('INPUT_INVALID', `listener: there is no listener ${JSON.stringify(name)}; ${hint}`, {
    field: 'listener',
  });
}
