// Request facts: values of a line that the request's context does not have itself.
import type { Attempt } from '../../core/request/attempt.ts';
import type { ProxyContext } from '../../core/request/context.ts';

/** The most characters of text from clients and servers. */
export const maxPath = 4096;
export const maxField = 1024;

/** Returns what made the response; `client`: it left before there was one. */
export function madeBy(ctx: ProxyContext): 'upstream' | 'weldr' | 'plugin' | 'client' {
  return ctx.response?.source ?? 'client';
}

/** Returns the plugin that made the response, or that failed. */
export function pluginOf(ctx: ProxyContext): string | undefined {
  return ctx.response?.plugin ?? ctx.error?.plugin;
}

/** Returns how long the attempt waited for a free connection, or until one was opened, ms. */
export function queueOf({ startedAt, connectingAt, sentAt, finishedAt }: Attempt): number {
  return (connectingAt || sentAt || finishedAt) - startedAt;
}

/** Returns how long opening a connection took, ms; 0: one was reused. */
export function connectOf({ connectingAt, sentAt, finishedAt }: Attempt): number {
  return connectingAt === 0 ? 0 : (sentAt || finishedAt) - connectingAt;
}

/** Returns the time from the request sent to the response head, ms; undefined: there was no response. */
export function firstByteOf({ sentAt, respondedAt }: Attempt): number | undefined {
  return respondedAt === 0 ? undefined : respondedAt - sentAt;
}

/** Returns the time in plugins before the first attempt, ms. */
export function admissionOf(ctx: ProxyContext, first: Attempt | undefined): number {
  return (first === undefined ? ctx.finishedAt : first.startedAt) - ctx.startedAt;
}

/** Cuts a text at `most` characters. */
export function bounded(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}
