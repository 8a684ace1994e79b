// The error that a start of Weldr fails with, made of what a plugin threw at its start.
import { basename } from 'node:path';
import { thrownAt } from '../errors/thrown-at.ts';
import { adoptError, describeError, WeldrError } from '../errors.ts';

/** Keeps the code of an operator's mistake, and names the plugin. */
export function startFailure(plugin: string, raised: unknown): WeldrError {
  const thrown = adoptError(raised);
  const operator = thrown instanceof WeldrError && thrown.blame === 'operator' ? thrown : undefined;
  // The message of an operator's mistake says everything; its cause is for logs.
  const said = operator?.message ?? `${describeError(thrown)}${placeIn(thrown)}`;
  return new WeldrError(operator?.code ?? 'PLUGIN_FAILED', `plugin ${plugin} did not start: ${said}`, {
    cause: operator === undefined ? thrown : undefined,
    ...(operator?.field === undefined ? {} : { field: operator.field }),
  });
}

/** Returns where the author of a plugin should look if the code has a mistake. */
function placeIn(thrown: unknown): string {
  const isDefect = [TypeError, ReferenceError, RangeError].some(kind => thrown instanceof kind);
  const place = isDefect ? thrownAt(thrown) : undefined;
  return place === undefined ? '' : ` (${basename(place.file)}:${place.line}:${place.column})`;
}
