// RequestPicture: a request and its response at one moment, to compare with a later one.
import type { HeaderList } from '../request/headers.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Edit, ExplainedHead } from './explanation.ts';

/** The most characters shown of a value. */
const longestValue = 500;
/** The most edits shown of one tap. */
const mostEdits = 100;

const hidden = '(hidden)';

/** Credentials, whose values are never shown. */
const secretFields =
  /^(?:authorization|proxy-authorization|cookie|set-cookie)$|(?:^|[-_])(?:token|secret|password|api-?key)$/i;

/** A message's parts by the names that people see. */
type Parts = ReadonlyMap<string, string>;

/** A request and its response at one moment. */
export interface RequestPicture {
  readonly request: Parts;
  readonly response: Parts;
  readonly notes: number;
}

/** Takes a picture, without changing the request. */
export function pictureOf(state: RequestState): RequestPicture {
  const { rare } = state;
  return { request: requestParts(state), response: responseParts(state), notes: rare?.notes?.length ?? 0 };
}

/** The differences between two pictures. */
export function editsBetween(before: RequestPicture, after: RequestPicture): Edit[] {
  return [
    ...differences('request', before.request, after.request),
    ...differences('response', before.response, after.response),
  ].slice(0, mostEdits);
}

/** The lines of a list, with secrets hidden. */
export function shownLines(list: HeaderList): ExplainedHead['headers'] {
  const { names, values } = list;
  return names.map((name, at) => [name, shown(name, values[at] ?? '')] as const);
}

function requestParts(state: RequestState): Parts {
  const { rare } = state;
  const { method, target, host } = state.edited ?? state;
  const parts = new Map([
    ['method', method],
    ['target', cut(target)],
    ['host', host],
  ]);
  addHeaders(parts, (state.edited ?? state).copyHeaders());
  if (rare === undefined) return parts;
  const times = { connect: rare.connectTimeout, response: rare.responseTimeout, body: rare.bodyTimeout };
  for (const [name, ms] of Object.entries(times))
    if (ms !== undefined) parts.set(`timeout ${name}`, `${ms} ms`);
  if (rare.bodyLimit !== undefined) parts.set('body limit', `${rare.bodyLimit} bytes`);
  addTransforms(parts, rare.requestTransforms);
  return parts;
}

function responseParts(state: RequestState): Parts {
  const parts = new Map<string, string>();
  if (state.status !== 0) parts.set('status', String(state.status));
  if (state.responseHeaders !== undefined) addHeaders(parts, state.responseHeaders);
  addTransforms(parts, state.rare?.responseTransforms);
  return parts;
}

function addHeaders(parts: Map<string, string>, list: HeaderList): void {
  const { names, keys, values } = list;
  // The host is a separate part.
  for (const [at, key] of keys.entries()) {
    if (key === 'host') continue;
    const name = `header ${names[keys.indexOf(key)] ?? key}`;
    const before = parts.get(name);
    const value = values[at] ?? '';
    parts.set(name, before === undefined ? value : `${before}, ${value}`);
  }
}

function addTransforms(parts: Map<string, string>, transforms: readonly unknown[] | undefined): void {
  if (transforms !== undefined && transforms.length > 0)
    parts.set('body', `transformed ${transforms.length}×`);
}

function* differences(of: Edit['of'], before: Parts, after: Parts): Generator<Edit> {
  for (const [field, value] of after) {
    const old = before.get(field);
    if (old !== value) yield { of, field, before: shownPart(field, old), after: shownPart(field, value) };
  }
  for (const [field, value] of before) {
    if (!after.has(field)) yield { of, field, before: shownPart(field, value), after: undefined };
  }
}

function shownPart(field: string, value: string | undefined): string | undefined {
  return value === undefined ? undefined : shown(field.replace(/^header /, ''), value);
}

const shown = (name: string, value: string): string => (secretFields.test(name) ? hidden : cut(value));

const cut = (text: string): string => (text.length > longestValue ? `${text.slice(0, longestValue)}…` : text);
