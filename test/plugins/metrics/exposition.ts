// A strict parser of Prometheus' text format 0.0.4: accepts only what Prometheus accepts, and refuses the doubtful.

/** A parsed text: each series with its labels in sorted order, and its number. */
export interface Exposition {
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;
  readonly values: ReadonlyMap<string, number>;
  /** The labels of each series by the same key, unescaped. */
  readonly labels: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

const head = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\\n]|\\\\|\\n)*)$/;
const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/;
const series =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"(?:,(?=[a-zA-Z_]))?)+)\})? (\S+)$/;
const pair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/gs;
const decimal = /^(?:-?\d+(?:\.\d+)?(?:e[+-]\d+)?|[+-]Inf|NaN)$/;

/** Parses a text. Throws at the first invalid line. */
export function readExposition(text: string): Exposition {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line does not end');
  const types = new Map<string, string>();
  const helps = new Map<string, string>();
  const values = new Map<string, number>();
  const labels = new Map<string, Readonly<Record<string, string>>>();
  let family = '';
  const lines = text.split('\n').slice(0, -1);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    // Between two families.
    if (line === '' && lines[at + 1]?.startsWith('# HELP ') === true) continue;
    const help = head.exec(line);
    if (help !== null) {
      const [, name = '', what = ''] = help;
      const typed = type.exec(lines[++at] ?? '');
      if (typed?.[1] !== name) throw new Error(`no TYPE after ${line}`);
      if (types.has(name)) throw new Error(`${name} stands twice`);
      family = name;
      helps.set(name, unescaped(what));
      types.set(name, typed[2] ?? '');
      continue;
    }
    const [, name = '', pairs = '', value = ''] = series.exec(line) ?? [];
    const endings = types.get(family) === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    if (!endings.some(ending => name === `${family}${ending}`)) throw new Error(`out of place: ${line}`);
    if (!decimal.test(value)) throw new Error(`not a number: ${line}`);
    const found = [...pairs.matchAll(pair)].map(
      ([, label = '', raw = '']) => [label, unescaped(raw)] as const,
    );
    if (new Set(found.map(([label]) => label)).size !== found.length)
      throw new Error(`a label twice: ${line}`);
    const sorted = found.map(([label, own]) => `${label}=${JSON.stringify(own)}`).toSorted();
    const key = sorted.length === 0 ? name : `${name}{${sorted.join(',')}}`;
    if (values.has(key)) throw new Error(`${key} stands twice`);
    values.set(key, Number(value.replace('Inf', 'Infinity')));
    labels.set(key, Object.fromEntries(found));
  }
  return { types, helps, values, labels };
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
}
