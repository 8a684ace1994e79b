// Named values: looks up the parameters of a query and the cookies of a Cookie field by name.

/** The first value of a query's parameter of this name, decoded; undefined: it has none. */
export function parameterOf(query: string, name: string): string | undefined {
  if (query === '') return undefined;
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=');
    if (decode(at < 0 ? pair : pair.slice(0, at)) === name) return at < 0 ? '' : decode(pair.slice(at + 1));
  }
  return undefined;
}

/** The value of the first cookie of this name in a Cookie field, without quotes around it; undefined: it has none. */
export function cookieOf(field: string, name: string): string | undefined {
  for (const pair of field.split(';')) {
    const at = pair.indexOf('=');
    if (at >= 0 && pair.slice(0, at).trim() === name) return unquoted(pair.slice(at + 1).trim());
  }
  return undefined;
}

/** The values of all parameters of this name in a query, decoded. */
export function parametersOf(query: string, name: string): string[] {
  const values: string[] = [];
  if (query === '') return values;
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=');
    if (decode(at < 0 ? pair : pair.slice(0, at)) === name)
      values.push(at < 0 ? '' : decode(pair.slice(at + 1)));
  }
  return values;
}

/** Returns whether a pair of a query, as written, has this name. */
export function parameterNamed(pair: string, name: string): boolean {
  const at = pair.indexOf('=');
  return decode(at < 0 ? pair : pair.slice(0, at)) === name;
}

/** The values of all cookies of this name in Cookie fields, without quotes around them. */
export function cookiesOf(fields: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (const field of fields) {
    for (const pair of field.split(';')) {
      const at = pair.indexOf('=');
      if (at >= 0 && pair.slice(0, at).trim() === name) values.push(unquoted(pair.slice(at + 1).trim()));
    }
  }
  return values;
}

/**
 * Returns whether a query has a parameter of this name, with one of these values (undefined: any). The query is read as
 * forms are: `+` is a space, and what is encoded is decoded.
 */
export function hasParameter(query: string, name: string, accepted: readonly string[] | undefined): boolean {
  if (query === '') return false;
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=');
    if (decode(at < 0 ? pair : pair.slice(0, at)) !== name) continue;
    if (accepted === undefined || accepted.includes(at < 0 ? '' : decode(pair.slice(at + 1)))) return true;
  }
  return false;
}

/**
 * Returns whether a Cookie field has a cookie of this name, with one of these values (undefined: any). Quotes around a value
 * do not count.
 */
export function hasCookie(field: string, name: string, accepted: readonly string[] | undefined): boolean {
  for (const pair of field.split(';')) {
    const at = pair.indexOf('=');
    if (at < 0 || pair.slice(0, at).trim() !== name) continue;
    if (accepted === undefined || accepted.includes(unquoted(pair.slice(at + 1).trim()))) return true;
  }
  return false;
}

const unquoted = (value: string): string => value.replace(/^"(.*)"$/, '$1');

function decode(text: string): string {
  if (!/[%+]/.test(text)) return text;
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    // An invalid % escape, or bytes that are not UTF-8.
    return spaced;
  }
}
