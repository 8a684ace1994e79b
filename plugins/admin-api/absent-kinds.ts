// Kinds of things that no plugin of the config owns: whoever asks for them is told which plugin has them.

/** By the first part of the path, how a config asks for the plugin. */
const plugins: ReadonlyMap<string, string> = new Map([['routes', 'routes([])']]);

/**
 * Why nothing is at a path, where a plugin would have something there; undefined: no plugin would. `isServed`: is there
 * something at another path?
 */
export function absentKind(path: string, isServed: (path: string) => boolean): string | undefined {
  const [, plural = ''] = path.split('/', 2);
  const plugin = isServed(`/${plural}`) ? undefined : plugins.get(plural);
  return plugin && `no plugin of the config has ${plural}: add ${plugin} to its plugins, and reload`;
}
