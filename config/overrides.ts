// Overrides: flags and environment variables that override the config; flags override the environment.
import { z } from 'zod';
import { WeldrError } from '../core/errors.ts';
import { parse, showInput } from '../core/options/options.ts';
import { zoneName } from '../core/pool/server-definition.ts';
import { listenAddress, tcpAddress } from '../core/settings/listen.ts';
import { type Overrides, settingsSchema } from '../core/settings/settings.ts';

/** The flags of `weldr start` that stand for settings; texts, as given. */
export interface SettingFlags {
  readonly ip?: string | undefined;
  readonly adminIp?: string | undefined;
  readonly workers?: string | undefined;
}

const addresses = z.string().transform((text, context) => {
  const parts = text.split(',').map(part => part.trim());
  for (const part of parts) {
    const issue = listenAddress.safeParse(part, { reportInput: true }).error?.issues[0];
    if (issue !== undefined) context.addIssue({ code: 'custom', message: issue.message });
  }
  return parts;
});

const mostWorkers = 512;

const workers = z
  .string()
  .refine(text => text === 'auto' || (/^\d{1,3}$/.test(text) && Number(text) <= mostWorkers), {
    error: ({ input }) =>
      `expected a number of processes up to ${mostWorkers}, or auto, got ${showInput(input)}`,
  })
  .transform(text => (text === 'auto' ? ('auto' as const) : Number(text)));

const memberNumber = z
  .string()
  .regex(/^\d{1,6}$/, "expected a number from 0, such as that of a StatefulSet's pod")
  .transform(Number);

/**
 * Reads the flags and, where a flag is not given, the WELDR_* variables. Throws CONFIG_INVALID, naming flag or
 * variable.
 */
export function readOverrides(
  flags: SettingFlags,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Overrides {
  const read = <T extends z.ZodType>(schema: T, variable: string, flag?: string, value?: string) => {
    if (value !== undefined) return parseAs(schema, value, flag ?? variable);
    const text = environment[variable];
    return text === undefined || text === '' ? undefined : parseAs(schema, text, variable);
  };
  const { ip, adminIp, workers: count } = flags;
  const listen = read(addresses, 'WELDR_LISTEN', '--ip', ip);
  const processes = read(workers, 'WELDR_WORKERS', '--workers', count);
  const logLevel = read(settingsSchema.shape.logLevel, 'WELDR_LOG_LEVEL');
  const zone = read(zoneName, 'WELDR_ZONE');
  const member = read(memberNumber, 'WELDR_MEMBER');
  const adminListen = read(tcpAddress, 'WELDR_ADMIN_LISTEN', '--admin-ip', adminIp);
  const adminToken = read(z.string(), 'WELDR_ADMIN_TOKEN');
  return {
    ...(listen === undefined ? {} : { listen }),
    ...(processes === undefined ? {} : { workers: processes }),
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(zone === undefined ? {} : { zone }),
    ...(member === undefined ? {} : { member }),
    ...(adminListen === undefined ? {} : { adminListen }),
    ...(adminToken === undefined ? {} : { adminToken }),
  };
}

function parseAs<T extends z.ZodType>(schema: T, text: string, name: string): z.output<T> {
  try {
    return parse(schema, text);
  } catch (thrown) {
    if (!(thrown instanceof WeldrError)) throw thrown;
    throw new WeldrError('CONFIG_INVALID', `${name}: ${thrown.message}`, { field: name });
  }
}
