// The format `json`: one object a line. Put together by hand: JSON.stringify would cost several times as much.
import { describeError, type WeldrError } from '../../core/errors.ts';
import type { Attempt } from '../../core/request/attempt.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { HeaderList } from '../../core/request/headers.ts';
import type { ReceivedRequest } from '../../core/request/received-request.ts';
import type { TlsFacts } from '../../core/request/tls-facts.ts';
import { jsonText } from './escaping.ts';
import type { FieldReader, LineFormat, LineMeans } from './line-means.ts';
import {
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
  const { redaction, moments, requestFields, responseFields } = means;
  const connections = new ConnectionText();
  return ctx => {
    const { request, attempt } = ctx;
    const id = ctx.id === undefined ? '' : `,"id":${jsonText(ctx.id)}`;
    const peer = ctx.peerIp === ctx.clientIp ? '' : `,"peer":${jsonText(ctx.peerIp)}`;
    const route = ctx.route === undefined ? '' : `,"route":${jsonText(ctx.route.name)}`;
    const host = jsonText(bounded(request.host, maxField));
    const path = jsonText(bounded(redaction.of(request.target), maxPath));
    let line = `{"time":"${moments.isoText(means.startOf(ctx))}"${id},"client":${jsonText(ctx.clientIp)}${peer}`;
    line += `,"method":${jsonText(request.method)},"host":${host},"path":${path}${connections.of(ctx, request)}`;
    line += `${route},"pool":${jsonText(ctx.pool.name)},"status":${ctx.status},"by":"${madeBy(ctx)}"`;
    line += `${failureText(ctx)},"bytesIn":${ctx.bytesIn},"bytesOut":${ctx.bytesOut},"outcome":"${ctx.outcome}"`;
    if (ctx.tried.length > 1) line += attemptsText(ctx, ctx.attempts);
    else if (attempt !== undefined) line += attemptText(ctx, attempt);
    else line += noAttemptText(ctx);
    if (ctx.notes.length > 0) line += `,"notes":[${ctx.notes.map(jsonText).join()}]`;
    if (requestFields.length > 0) line += fieldsText('request', requestFields, request.headers);
    if (responseFields.length > 0) line += fieldsText('response', responseFields, ctx.response?.headers);
    return `${line}}\n`;
  };
}

/** What a line says of the connection: most requests come by the same sort as the one before. */
class ConnectionText {
  private version = '';
  private scheme = '';
  private listener = '';
  private tlsVersion: string | undefined = undefined;
  private cipher: string | undefined = undefined;
  private text = '';

  of(ctx: ProxyContext, { version, tls }: ReceivedRequest): string {
    const isSame =
      version === this.version &&
      ctx.scheme === this.scheme &&
      ctx.listener === this.listener &&
      tls?.version === this.tlsVersion &&
      tls?.cipher === this.cipher;
    if (!isSame) this.make(ctx, version, tls);
    return this.text;
  }

  private make({ scheme, listener }: ProxyContext, version: string, tls: TlsFacts | undefined): void {
    this.version = version;
    this.scheme = scheme;
    this.listener = listener;
    this.tlsVersion = tls?.version;
    this.cipher = tls?.cipher;
    this.text = `,"protocol":"HTTP/${version}","scheme":"${scheme}","listener":${jsonText(listener)}`;
    if (tls !== undefined)
      this.text += `,"tls":{"version":${jsonText(tls.version)},"cipher":${jsonText(tls.cipher)}}`;
  }
}

/** What Weldr or a plugin had to do with it; nothing where an upstream served the request. */
function failureText(ctx: ProxyContext): string {
  const plugin = pluginOf(ctx);
  const made = plugin === undefined ? '' : `,"plugin":${jsonText(plugin)}`;
  return ctx.error === undefined ? made : made + errorText(ctx.error);
}

/** The times of the request, and its attempt. */
function attemptText(ctx: ProxyContext, attempt: Attempt): string {
  const queue = msText(queueOf(attempt));
  const connect = msText(connectOf(attempt));
  const times = timesText(ctx, attempt.startedAt, queue, connect, attempt.respondedAt);
  return `${times},"attempts":[${recordText(ctx, attempt, queue, connect)}]`;
}

/** The same where there were several: waits are added up, and the response is the last one's. */
function attemptsText(ctx: ProxyContext, attempts: readonly Attempt[]): string {
  let queue = 0;
  let connect = 0;
  const records = attempts.map(attempt => {
    queue += queueOf(attempt);
    connect += connectOf(attempt);
    return recordText(ctx, attempt, msText(queueOf(attempt)), msText(connectOf(attempt)));
  });
  const startedAt = attempts[0]?.startedAt ?? ctx.finishedAt;
  const respondedAt = attempts.at(-1)?.respondedAt ?? 0;
  const times = timesText(ctx, startedAt, msText(queue), msText(connect), respondedAt);
  return `${times},"attempts":[${records.join()}]`;
}

function noAttemptText(ctx: ProxyContext): string {
  const total = msText(ctx.finishedAt - ctx.startedAt);
  return `,"ms":{"plugins":${total},"total":${total}},"attempts":[]`;
}

function timesText(
  { startedAt, finishedAt }: ProxyContext,
  firstStartedAt: number,
  queue: string,
  connect: string,
  respondedAt: number,
): string {
  const firstByte = respondedAt === 0 ? '' : `,"firstByte":${msText(respondedAt - startedAt)}`;
  const waits = `"plugins":${msText(firstStartedAt - startedAt)},"queue":${queue},"connect":${connect}`;
  return `,"ms":{${waits}${firstByte},"total":${msText(finishedAt - startedAt)}}`;
}

function recordText(ctx: ProxyContext, attempt: Attempt, queue: string, connect: string): string {
  const { upstream, status, error, startedAt, finishedAt } = attempt;
  const pool = upstream.pool === ctx.pool.name ? '' : `,"pool":${jsonText(upstream.pool)}`;
  const answered = status === 0 ? '' : `,"status":${status}`;
  const failed = error === undefined ? '' : errorText(error);
  const firstByte = firstByteOf(attempt);
  const began = firstByte === undefined ? '' : `,"firstByte":${msText(firstByte)}`;
  const times = `"queue":${queue},"connect":${connect}${began},"total":${msText(finishedAt - startedAt)}`;
  return `{"upstream":${jsonText(upstream.id)}${pool}${answered}${failed},"reused":${attempt.reusedConnection},${times}}`;
}

function errorText(error: WeldrError): string {
  return `,"code":"${error.code}","error":${jsonText(bounded(describeError(error), maxField))}`;
}

function fieldsText(what: string, fields: readonly FieldReader[], headers: HeaderList | undefined): string {
  let text = '';
  for (const { key, read } of fields) {
    const value = headers === undefined ? undefined : read(headers);
    if (value !== undefined) text += `${text === '' ? '' : ','}${jsonText(key)}:${jsonText(value)}`;
  }
  return text === '' ? '' : `,"${what}":{${text}}`;
}
