// `weldr health`: reports whether the running Weldr takes requests, for Docker's HEALTHCHECK and other probes.
import type { AdminClient } from '../admin-client.ts';

/** Returns what to print. Throws a CommandError with the reason when Weldr takes no requests. */
export async function readHealth(admin: AdminClient, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'GET', path: '/readyz', timeoutMs: 10_000 });
  if (json) return JSON.stringify(answer);
  const field = (name: string): unknown =>
    typeof answer === 'object' && answer !== null ? Reflect.get(answer, name) : undefined;
  return `ready: ${field('readyWorkers')} of ${field('wantedWorkers')} workers`;
}
