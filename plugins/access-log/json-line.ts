// The format `json`: one object a line. Put together by hand: JSON.stringify would cost several times as much.
import { describeError } from '../../core/errors.ts';
import type { Attempt } from '../../core/request/attempt.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { HeaderList } from '../../core/request/headers.ts';
import { jsonText } from './escaping.ts';
import type { FieldReader, LineFormat, LineMeans } from './line-means.ts';
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

/** Makes the format. */
export function jsonLine(means: LineMeans): LineFormat {
  return ctx => {
    const { request, attempt } = ctx;
    const { tls } = request;
    const attempts = ctx.tried.length > 1 ? ctx.attempts : undefined;
    const first = attempts === undefined ? attempt : attempts[0];
    let line = `{"time":"${means.moments.isoText(means.startOf(ctx))}"`;
    if (ctx.id !== undefined) line += `,"id":${jsonText(ctx.id)}`;
    line += `,"client":${jsonText(ctx.clientIp)}`;
    if (ctx.peerIp !== ctx.clientIp) line += `,"peer":${jsonText(ctx.peerIp)}`;
    line += `,"method":${jsonText(request.method)},"host":${jsonText(bounded(request.host, maxField))}`;
    line += `,"path":${jsonText(bounded(means.redaction.of(request.target), maxPath))}`;
    line += `,"protocol":"HTTP/${request.version}","scheme":"${ctx.scheme}","listener":${jsonText(ctx.listener)}`;
    if (tls !== undefined)
      line += `,"tls":{"version":${jsonText(tls.version)},"cipher":${jsonText(tls.cipher)}}`;
    if (ctx.route !== undefined) line += `,"route":${jsonText(ctx.route.name)}`;
    line += `,"pool":${jsonText(ctx.pool.name)},"status":${ctx.status},"by":"${madeBy(ctx)}"`;
    line += failureText(ctx);
    line += `,"bytesIn":${ctx.bytesIn},"bytesOut":${ctx.bytesOut},"outcome":"${ctx.outcome}"`;
    line += `,"ms":{"plugins":${msText(admissionOf(ctx, first))}`;
    if (attempts !== undefined)
      line += `${sumsText(ctx, attempts)},"attempts":[${attempts.map(each => attemptText(ctx, each)).join()}]`;
    else if (attempt !== undefined)
      line += `${timesText(ctx, attempt)},"attempts":[${attemptText(ctx, attempt)}]`;
    else line += `,"total":${msText(ctx.finishedAt - ctx.startedAt)}},"attempts":[]`;
    if (ctx.notes.length > 0) line += `,"notes":[${ctx.notes.map(jsonText).join()}]`;
    if (means.requestFields.length > 0) line += fieldsText('request', means.requestFields, request.headers);
    if (means.responseFields.length > 0)
      line += fieldsText('response', means.responseFields, ctx.response?.headers);
    return `${line}}\n`;
  };
}

/** What Weldr or a plugin had to do with it; nothing where an upstream served the request. */
function failureText(ctx: ProxyContext): string {
  const { error } = ctx;
  const plugin = pluginOf(ctx);
  let text = plugin === undefined ? '' : `,"plugin":${jsonText(plugin)}`;
  if (error !== undefined)
    text += `,"code":"${error.code}","error":${jsonText(bounded(describeError(error), maxField))}`;
  return text;
}

function timesText(ctx: ProxyContext, attempt: Attempt): string {
  return timesOf(ctx, queueOf(attempt), connectOf(attempt), attempt.respondedAt);
}

function sumsText(ctx: ProxyContext, attempts: readonly Attempt[]): string {
  let queue = 0;
  let connect = 0;
  for (const attempt of attempts) {
    queue += queueOf(attempt);
    connect += connectOf(attempt);
  }
  return timesOf(ctx, queue, connect, attempts.at(-1)?.respondedAt ?? 0);
}

function timesOf(ctx: ProxyContext, queue: number, connect: number, respondedAt: number): string {
  const firstByte = respondedAt === 0 ? '' : `,"firstByte":${msText(respondedAt - ctx.startedAt)}`;
  const total = msText(ctx.finishedAt - ctx.startedAt);
  return `,"queue":${msText(queue)},"connect":${msText(connect)}${firstByte},"total":${total}}`;
}

function attemptText(ctx: ProxyContext, attempt: Attempt): string {
  const { upstream, status, error, startedAt, finishedAt } = attempt;
  let text = `{"upstream":${jsonText(upstream.id)}`;
  if (upstream.pool !== ctx.pool.name) text += `,"pool":${jsonText(upstream.pool)}`;
  if (status !== 0) text += `,"status":${status}`;
  if (error !== undefined)
    text += `,"code":"${error.code}","error":${jsonText(bounded(describeError(error), maxField))}`;
  text += `,"reused":${attempt.reusedConnection},"queue":${msText(queueOf(attempt))},"connect":${msText(connectOf(attempt))}`;
  const firstByte = firstByteOf(attempt);
  if (firstByte !== undefined) text += `,"firstByte":${msText(firstByte)}`;
  return `${text},"total":${msText(finishedAt - startedAt)}}`;
}

function fieldsText(what: string, fields: readonly FieldReader[], headers: HeaderList | undefined): string {
  let text = '';
  for (const { key, read } of fields) {
    const value = headers === undefined ? undefined : read(headers);
    if (value !== undefined) text += `${text === '' ? '' : ','}"${key}":${jsonText(value)}`;
  }
  return text === '' ? '' : `,"${what}":{${text}}`;
}
