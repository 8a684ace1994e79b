// What a plugin threw at its start, as the error that the whole start fails with.
import { adoptError, describeError, WeldrError } from '../errors.ts';

/** Keeps an operator's mistake one, and names the plugin. */
export function startFailure(plugin: string, raised: unknown): WeldrError {
  const thrown = adoptError(raised);
  const operator = thrown instanceof WeldrError && thrown.blame === 'operator' ? thrown : undefined;
  return new WeldrError(
    operator?.code ?? 'PLUGIN_FAILED',
    `plugin ${plugin} did not start: ${describeError(thrown)}`,
    {
      cause: operator === undefined ? thrown : undefined,
      ...(operator?.field === undefined ? {} : { field: operator.field }),
    },
  );
}
