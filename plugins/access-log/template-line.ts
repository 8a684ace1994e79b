// A custom format: a text with names in braces, such as `{time} {client} "{method} {path}" {status} {total}`.

import { nearest } from '../../core/errors/nearest.ts';
import { describeError, WeldrError } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { isToken } from '../../core/request/headers.ts';
import { quotedText } from './escaping.ts';
import { fieldReader, type LineFormat, type LineMeans } from './line-means.ts';
import {
  admissionOf,
  bounded,
  connectOf,
  firstByteOf,
  madeBy,
  maxField,
  maxPath,
  pluginOf,
  queueOf,
} from './request-facts.ts';
import { msText } from './time-text.ts';

type Value = (ctx: ProxyContext, means: LineMeans) => string | number | undefined;

const values: Readonly<Record<string, Value>> = {
  time: (ctx, means) => means.moments.isoText(means.startOf(ctx)),
  id: ctx => ctx.id,
  client: ctx => ctx.clientIp,
  clientPort: ctx => ctx.clientPort,
  peer: ctx => ctx.peerIp,
  method: ctx => ctx.request.method,
  host: ctx => bounded(ctx.request.host, maxField),
  path: (ctx, { redaction }) => bounded(redaction.of(ctx.request.target), maxPath),
  protocol: ctx => `HTTP/${ctx.request.version}`,
  scheme: ctx => ctx.scheme,
  listener: ctx => ctx.listener,
  tlsVersion: ctx => ctx.request.tls?.version,
  tlsCipher: ctx => ctx.request.tls?.cipher,
  route: ctx => ctx.route?.name,
  pool: ctx => ctx.pool.name,
  upstream: ctx => ctx.upstream?.id,
  tried: ctx => ctx.tried.map(({ id }) => id).join(','),
  attempts: ctx => ctx.tried.length,
  status: ctx => ctx.status,
  by: madeBy,
  plugin: pluginOf,
  code: ctx => ctx.error?.code,
  error: ctx => (ctx.error === undefined ? undefined : bounded(describeError(ctx.error), maxField)),
  bytesIn: ctx => ctx.bytesIn,
  bytesOut: ctx => ctx.bytesOut,
  outcome: ctx => ctx.outcome,
  notes: ctx => ctx.notes.join('; '),
  plugins: ctx => msText(admissionOf(ctx, ctx.attempts[0])),
  queue: ctx => msText(sumOf(ctx, queueOf)),
  connect: ctx => msText(sumOf(ctx, connectOf)),
  firstByte: ctx => {
    const ms = ctx.attempt === undefined ? undefined : firstByteOf(ctx.attempt);
    return ms === undefined ? undefined : msText(ms);
  },
  total: ctx => msText(ctx.finishedAt - ctx.startedAt),
};

/** The names for templates, besides `request.FIELD` and `response.FIELD`. */
export const templateNames: readonly string[] = Object.keys(values);

/** Returns the format. Throws CONFIG_INVALID for an unknown name. */
export function templateLine(template: string, means: LineMeans): LineFormat {
  const parts = template
    .split(/\{([^{}]*)\}/)
    .map((part, at) => (at % 2 === 0 ? part : readerOf(part, means)));
  return ctx => {
    let line = '';
    for (const part of parts) {
      if (typeof part === 'string') line += part;
      else {
        const value = part(ctx, means);
        line += value === undefined || value === '' ? '-' : quotedText(String(value));
      }
    }
    return `${line}\n`;
  };
}

/** Returns why a template is invalid; undefined: it is valid. */
export function templateProblem(template: string): string | undefined {
  const names = template.split(/\{([^{}]*)\}/);
  if (names.length === 1) {
    const near = nearest(template, ['json', 'combined', 'common']);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    return `expected json, combined, common or a text with names such as {status}, got ${JSON.stringify(template)}${hint}`;
  }
  for (const [at, name] of names.entries()) if (at % 2 === 1 && !isKnown(name)) return unknown(name);
  return undefined;
}

const field = /^(request|response)\.(.+)$/;

function isKnown(name: string): boolean {
  return Object.hasOwn(values, name) || isToken(field.exec(name)?.[2] ?? '');
}

function readerOf(name: string, { redaction }: LineMeans): Value {
  const known = Object.hasOwn(values, name) ? values[name] : undefined;
  if (known !== undefined) return known;
  const [, side, of] = field.exec(name) ?? [];
  if (of === undefined) throw new WeldrError('CONFIG_INVALID', unknown(name));
  const { read } = fieldReader(of, redaction);
  if (side === 'request') return ctx => read(ctx.request.headers);
  return ctx => (ctx.response === undefined ? undefined : read(ctx.response.headers));
}

function unknown(name: string): string {
  const near = nearest(name, templateNames);
  const hint =
    near === undefined
      ? `known: ${templateNames.join(', ')}, request.FIELD, response.FIELD`
      : `did you mean {${near}}?`;
  return `there is no {${name}}; ${hint}`;
}

function sumOf(ctx: ProxyContext, part: (attempt: ProxyContext['attempts'][number]) => number): number {
  let sum = 0;
  for (const attempt of ctx.attempts) sum += part(attempt);
  return sum;
}
