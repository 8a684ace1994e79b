// AbsentKinds: kinds that no plugin of the config owns, with the plugin that would provide them.

/** How to add the plugin to a config, by the first part of the path. */
const plugins: ReadonlyMap<string, string> = new Map([['routes', 'routes([])']]);

/**
 * Returns why nothing is at a path that a plugin would serve; undefined: no plugin would. `isServed` returns whether another
 * path is served.
 */
export function absentKind(path: string, isServed: (path: string) => boolean): string | undefined {
  const [, plural = ''] = path.split('/', 2);
  const plugin = isServed(`/${plural}`) ? undefined : plugins.get(plural);
  return plugin && `no plugin of the config has ${plural}: add ${plugin} to its plugins, and reload`;
}
