// `weldr upgrade`: has a new process take over from the running one.
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { toJson, understood } from './servers.ts';

const upgraded = z.looseObject({ from: z.string(), to: z.string() });

/** Covers both the new process's start and the old one's release of its sockets and files, ms. */
const timeoutMs = 180_000;

/** Resolves when the new process serves. */
export async function upgrade(admin: AdminClient, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'POST', path: '/upgrade', timeoutMs });
  if (json) return toJson(answer);
  const { from, to } = understood(upgraded, answer);
  return `version ${to} has taken over from version ${from}, which finishes its requests and ends`;
}
