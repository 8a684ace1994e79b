// Errors that plugins throw outside of requests: one line of the log, with plugin and stage.
import type { Logger } from 'pino';
import { stackOf, type WeldrError } from '../errors.ts';
import type { ReportPluginError } from '../stages/request-hooks.ts';

/** Logs what a plugin threw. */
export function reportPluginError(log: Logger): ReportPluginError {
  return (error, requestId) => log.error({ requestId, ...pluginErrorFacts(error) }, error.message);
}

/** Returns the fields of a log line about a plugin's error, with the stack of what it threw. */
export function pluginErrorFacts(error: WeldrError): object {
  const { plugin, stage, cause } = error;
  return { code: error.code, plugin, stage, stack: stackOf(cause) };
}
