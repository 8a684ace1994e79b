// Accept: the media type that a client prefers (RFC 9110 section 12.5.1).

interface Range {
  readonly type: string;
  readonly weight: number;
}

const weight = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

function rangesOf(field: string): Range[] {
  return field
    .toLowerCase()
    .split(',')
    .map(part => {
      const [type = '', ...parameters] = part.split(';').map(text => text.trim());
      const said = parameters.find(parameter => parameter.startsWith('q='));
      return { type, weight: said === undefined ? 1 : Number(weight.exec(said)?.[1] ?? 0) };
    });
}

/** How closely a range matches a type; 0: it does not. */
function closeness(range: string, type: string): number {
  if (range === type) return 4;
  // A client that accepts JSON also gets types based on it, such as problem+json.
  const suffix = type.slice(type.lastIndexOf('+') + 1);
  if (suffix !== type && range === `application/${suffix}`) return 3;
  if (range === `${type.slice(0, type.indexOf('/'))}/*`) return 2;
  return range === '*/*' ? 1 : 0;
}

/** Returns the weight of a type by the closest range, the first of equally close ones. */
function weightOf(type: string, ranges: readonly Range[]): number {
  let closest = 0;
  let found = 0;
  for (const range of ranges) {
    const close = closeness(range.type, type);
    if (close <= closest) continue;
    closest = close;
    found = range.weight;
  }
  return found;
}

/** Returns the index of the best of `types` (in lower case); -1 if none is acceptable. An empty field selects the first. */
export function bestType(field: string, types: readonly string[]): number {
  if (field.trim() === '') return 0;
  const ranges = rangesOf(field);
  let best = -1;
  let most = 0;
  for (const [at, type] of types.entries()) {
    const own = weightOf(type, ranges);
    if (own <= most) continue;
    best = at;
    most = own;
  }
  return best;
}
