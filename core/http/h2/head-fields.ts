// Head fields: heads to send, as alternating names and values of HTTP/2 fields (RFC 9113 section 8.3).
import { HeaderList, hopByHop } from '../../request/headers.ts';
import { announcesEmptyBody } from '../exchange/empty-body.ts';
import type { OutboundRequest } from '../exchange/streams.ts';

/** Fields that are not sent, because framing replaces them or HTTP/2 forbids them. */
const leftOut: ReadonlySet<string> = new Set([...hopByHop, 'content-length']);

/** The lines added to the last request, and their fields: most requests of a client get the same ones. */
let addedLines = '';
let addedFields: readonly string[] = [];

/** The fields of a request head. */
export function requestFields(request: OutboundRequest, scheme: 'http' | 'https'): string[] {
  const { headers, length, method } = request;
  const authority = request.host ?? headers.get('host') ?? '';
  const fields = [':method', method, ':scheme', scheme];
  if (authority !== '') fields.push(':authority', authority);
  fields.push(':path', request.target);
  pushFields(headers, fields, 'host');
  if (request.addedLines !== addedLines) {
    const added = new HeaderList();
    added.pushLines(request.addedLines);
    addedFields = pushFields(added, []);
    addedLines = request.addedLines;
  }
  if (addedLines !== '') for (const text of addedFields) fields.push(text);
  if (request.takesTrailers) fields.push('te', 'trailers');
  if (length > 0 || (length === 0 && announcesEmptyBody(method)))
    fields.push('content-length', String(length));
  return fields;
}

/** The fields of a response head. */
export function responseFields(status: number, headers: HeaderList): string[] {
  return pushFields(headers, [':status', String(status)]);
}

/** The fields of trailers. */
export const trailerFields = (trailers: HeaderList): string[] => pushFields(trailers, []);

function pushFields({ keys, values }: HeaderList, fields: string[], except = ''): string[] {
  for (const [n, key] of keys.entries()) {
    if (key !== except && !leftOut.has(key)) fields.push(key, values[n] ?? '');
  }
  return fields;
}

/** The size of a header list, as counted for SETTINGS_MAX_HEADER_LIST_SIZE. */
export function listSize(fields: readonly string[]): number {
  let size = 16 * fields.length;
  for (const text of fields) size += text.length;
  return size;
}
