// What a line says of a request, beside what its context says itself.
import type { Attempt } from '../../core/request/attempt.ts';
import type { ProxyContext } from '../../core/request/context.ts';

/** Characters of a text that a stranger chose. */
export const maxPath = 4096;
export const maxField = 1024;

/** Who made the response; `client`: it left before there was one. */
export function madeBy(ctx: ProxyContext): 'upstream' | 'weldr' | 'plugin' | 'client' {
  return ctx.response?.source ?? 'client';
}

/** The plugin that made the response, or that failed. */
export function pluginOf(ctx: ProxyContext): string | undefined {
  return ctx.response?.plugin ?? ctx.error?.plugin;
}

/** How long the attempt waited for a connection, or for one to be begun, ms. */
export function queueOf({ startedAt, connectingAt, sentAt, finishedAt }: Attempt): number {
  return (connectingAt || sentAt || finishedAt) - startedAt;
}

/** How long making a connection took, ms; 0: one was there. */
export function connectOf({ connectingAt, sentAt, finishedAt }: Attempt): number {
  return connectingAt === 0 ? 0 : (sentAt || finishedAt) - connectingAt;
}

/** How long the upstream took from the request sent to its response head, ms; undefined: there was none. */
export function firstByteOf({ sentAt, respondedAt }: Attempt): number | undefined {
  return respondedAt === 0 ? undefined : respondedAt - sentAt;
}

/** How long plugins had the request before its first attempt, ms. */
export function admissionOf(ctx: ProxyContext, first: Attempt | undefined): number {
  return (first === undefined ? ctx.finishedAt : first.startedAt) - ctx.startedAt;
}

/** A text of bounded length. */
export function bounded(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}
