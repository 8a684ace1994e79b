// The format `json`: one object per line, built by hand because JSON.stringify would cost several times as much.
import { describeError, type WeldrError } from '../../core/errors.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import type { Attempt } from '../../core/request/attempt.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { HeaderList } from '../../core/request/headers.ts';
import type { ReceivedRequest } from '../../core/request/received-request.ts';
import type { TlsFacts } from '../../core/request/tls-facts.ts';
import { jsonText } from './escaping.ts';
import type { FieldReader, LineFormat, LineMeans } from './line-means.ts';
import { RepeatedText } from './repeated-text.ts';
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

/** Returns the format. */
export function jsonLine(means: LineMeans): LineFormat {
  const { redaction, moments, requestFields, responseFields } = means;
  const client = new RepeatedText(',"client":');
  const peer = new RepeatedText(',"peer":');
  const method = new RepeatedText(',"method":');
  const host = new RepeatedText(',"host":');
  const connections = new ConnectionText();
  const route = new RepeatedText(',"route":');
  const pool = new RepeatedText(',"pool":');
  const results = new ResultText();
  const records = new RecordText();
  return ctx => {
    const { request, attempt } = ctx;
    // Ids have no characters that need an escape.
    const id = ctx.id === undefined ? '' : `,"id":"${ctx.id}"`;
    let line = moments.isoMember(means.startOf(ctx)) + id + client.of(ctx.clientIp);
    if (ctx.peerIp !== ctx.clientIp) line += peer.of(ctx.peerIp);
    line += method.of(request.method) + host.of(bounded(request.host, maxField));
    line += `,"path":${jsonText(bounded(redaction.of(request.target), maxPath))}`;
    line += connections.of(ctx, request);
    if (ctx.route !== undefined) line += route.of(ctx.route.name);
    line += pool.of(ctx.pool.name) + results.of(ctx);
    line += `,"bytesIn":${ctx.bytesIn},"bytesOut":${ctx.bytesOut},"outcome":"${ctx.outcome}"`;
    if (ctx.tried.length > 1) line += attemptsText(ctx, records);
    else if (attempt !== undefined) line += attemptText(ctx, attempt, records);
    else line += noAttemptText(ctx);
    if (ctx.notes.length > 0) line += `,"notes":[${ctx.notes.map(jsonText).join()}]`;
    if (requestFields.length > 0) line += fieldsText('request', requestFields, request.headers);
    if (responseFields.length > 0) line += fieldsText('response', responseFields, ctx.response?.headers);
    return `${line}}\n`;
  };
}

/** The text about the connection, cached: most requests have the same kind as the one before. */
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

/** The text about the result: the status and who made the response, cached for responses of upstreams alone. */
class ResultText {
  private status = -1;
  private text = '';

  of(ctx: ProxyContext): string {
    const { status, error } = ctx;
    const by = madeBy(ctx);
    const plugin = pluginOf(ctx);
    if (by !== 'upstream' || plugin !== undefined || error !== undefined) {
      const made = plugin === undefined ? '' : `,"plugin":${jsonText(plugin)}`;
      return `,"status":${status},"by":"${by}"${made}${error === undefined ? '' : errorText(error)}`;
    }
    if (status !== this.status) {
      this.status = status;
      this.text = `,"status":${status},"by":"upstream"`;
    }
    return this.text;
  }
}

/** Returns the times of a request with one attempt, and the attempt. */
function attemptText(ctx: ProxyContext, attempt: Attempt, records: RecordText): string {
  const waits = waitsText(queueOf(attempt), connectOf(attempt));
  const times = timesText(ctx, attempt.startedAt, waits, attempt.respondedAt);
  return `${times},"attempts":[${records.of(ctx, attempt, waits)}]`;
}

/** Returns the same for several attempts: their waits are added up, and `firstByte` is that of the last one. */
function attemptsText(ctx: ProxyContext, records: RecordText): string {
  const { attempts } = ctx;
  let queue = 0;
  let connect = 0;
  const texts = attempts.map(attempt => {
    queue += queueOf(attempt);
    connect += connectOf(attempt);
    return records.of(ctx, attempt, waitsText(queueOf(attempt), connectOf(attempt)));
  });
  const startedAt = attempts[0]?.startedAt ?? ctx.finishedAt;
  const times = timesText(ctx, startedAt, waitsText(queue, connect), attempts.at(-1)?.respondedAt ?? 0);
  return `${times},"attempts":[${texts.join()}]`;
}

function noAttemptText(ctx: ProxyContext): string {
  const total = msText(ctx.finishedAt - ctx.startedAt);
  return `,"ms":{"plugins":${total},"total":${total}},"attempts":[]`;
}

function timesText(
  { startedAt, finishedAt }: ProxyContext,
  firstStartedAt: number,
  waits: string,
  respondedAt: number,
): string {
  const firstByte = respondedAt === 0 ? '' : `,"firstByte":${msText(respondedAt - startedAt)}`;
  const plugins = msText(firstStartedAt - startedAt);
  return `,"ms":{"plugins":${plugins}${waits}${firstByte},"total":${msText(finishedAt - startedAt)}}`;
}

function waitsText(queue: number, connect: number): string {
  return `,"queue":${msText(queue)},"connect":${msText(connect)}`;
}

/** The text about attempts, cached by upstream: most upstreams respond as they did before. */
class RecordText {
  private upstream: Upstream | undefined = undefined;
  private status = -1;
  private reused = false;
  private text = '';

  of(ctx: ProxyContext, attempt: Attempt, waits: string): string {
    const { status, startedAt, finishedAt } = attempt;
    const firstByte = firstByteOf(attempt);
    const began = firstByte === undefined ? '' : `,"firstByte":${msText(firstByte)}`;
    return `${this.resultOf(ctx, attempt, status)}${waits}${began},"total":${msText(finishedAt - startedAt)}}`;
  }

  private resultOf(ctx: ProxyContext, attempt: Attempt, status: number): string {
    const { upstream, error, reusedConnection } = attempt;
    if (upstream.pool !== ctx.pool.name || error !== undefined) {
      return attemptResult(ctx, attempt);
    }
    if (upstream !== this.upstream || status !== this.status || reusedConnection !== this.reused) {
      this.upstream = upstream;
      this.status = status;
      this.reused = reusedConnection;
      this.text = attemptResult(ctx, attempt);
    }
    return this.text;
  }
}

function attemptResult({ pool }: ProxyContext, attempt: Attempt): string {
  const { upstream, status, error } = attempt;
  const other = upstream.pool === pool.name ? '' : `,"pool":${jsonText(upstream.pool)}`;
  const answered = status === 0 ? '' : `,"status":${status}`;
  const failed = error === undefined ? '' : errorText(error);
  return `{"upstream":${jsonText(upstream.id)}${other}${answered}${failed},"reused":${attempt.reusedConnection}`;
}

function errorText(error: WeldrError): string {
  return `,"code":"${error.code}","error":${jsonText(bounded(describeError(error), maxField))}`;
}

function fieldsText(what: string, fields: readonly FieldReader[], headers: HeaderList | undefined): string {
  let text = '';
  for (const { member, read } of fields) {
    const value = headers === undefined ? undefined : read(headers);
    if (value !== undefined) text += `${text === '' ? '' : ','}${member.of(value)}`;
  }
  return text === '' ? '' : `,"${what}":{${text}}`;
}
