// Weldr's readers over one stream of bytes, combined as its connections combine them.
import { ChunkedReader, type ChunkedSink } from '../../core/http/h1/chunked-reader.ts';
import { chunked, untilClose } from '../../core/http/h1/message-framing.ts';
import { needMore, RequestHead, refused } from '../../core/http/h1/request-head.ts';
import { ResponseHead } from '../../core/http/h1/response-head.ts';
import type { Framed, Outcome } from './outcome.ts';

const limits = { requestLine: 8_192, headers: 32_768, headerCount: 200 };
const requestHead = new RequestHead(limits);
const responseHead = new ResponseHead(limits);

class Payload implements ChunkedSink {
  text = '';
  onChunkedBytes(buffer: Buffer, start: number, end: number): void {
    this.text += buffer.toString('latin1', start, end);
  }
  onChunkedLine(): void {}
  onChunkedEnd(): void {}
}

const payload = new Payload();
const chunkedReader = new ChunkedReader(payload);

/** Reads a client's bytes. */
export function readRequests(text: string): Outcome {
  const outcome: Outcome = { messages: [], refusal: '' };
  let rest = text;
  while (rest !== '') {
    const start = rest.startsWith('\r\n\r\n') ? 4 : rest.startsWith('\r\n') ? 2 : 0;
    if (rest.length === start || (start < 4 && rest.slice(start) === '\r')) return outcome;
    const used = requestHead.read(rest, start);
    if (used === needMore) return outcome;
    if (used === refused) {
      outcome.refusal = requestHead.detail || requestHead.code;
      return outcome;
    }
    const message: Framed = {
      line: `${requestHead.method} ${requestHead.target}`,
      body: '',
      complete: false,
    };
    outcome.messages.push(message);
    // Bytes after an upgrade that is passed on are not read as a request.
    const keepAlive = requestHead.keepAlive && requestHead.upgrade === undefined;
    const bodyEnd = readBody(rest, used, requestHead.length, message, outcome, 'steering refused');
    if (!message.complete || !keepAlive) return outcome;
    rest = rest.slice(bodyEnd);
  }
  return outcome;
}

/** Reads an upstream's bytes, all of them before its end, as the response to a GET. 1xx are left out. */
export function readResponse(text: string): Outcome {
  const outcome: Outcome = { messages: [], refusal: '' };
  let rest = text;
  for (;;) {
    const used = responseHead.read(rest, 'GET');
    if (used === needMore) return outcome;
    if (used === refused) {
      outcome.refusal = responseHead.detail;
      return outcome;
    }
    if (responseHead.status === 101) {
      outcome.refusal = '101';
      return outcome;
    }
    if (responseHead.status >= 200) {
      const message: Framed = { line: String(responseHead.status), body: '', complete: false };
      outcome.messages.push(message);
      readBody(rest, used, responseHead.length, message, outcome);
      return outcome;
    }
    rest = rest.slice(used);
  }
}

/** Returns the index after the body. */
function readBody(
  text: string,
  start: number,
  length: number,
  message: Framed,
  outcome: Outcome,
  trailers?: 'steering refused',
): number {
  if (length === untilClose) {
    message.body = text.slice(start);
    message.complete = true;
    return text.length;
  }
  if (length !== chunked) {
    message.body = text.slice(start, start + length);
    message.complete = message.body.length === length;
    return start + length;
  }
  const buffer = Buffer.from(text.slice(start), 'latin1');
  payload.text = '';
  chunkedReader.begin('strip', []);
  const used = chunkedReader.read(buffer, 0, buffer.length);
  message.body = payload.text;
  message.complete = chunkedReader.complete;
  if (used < 0) outcome.refusal = chunkedReader.problem;
  outcome.droppedSteering = chunkedReader.steered;
  if (chunkedReader.steered && trailers === 'steering refused') {
    message.complete = false;
    outcome.refusal = 'a trailer that belongs in the head';
  }
  return start + used;
}
