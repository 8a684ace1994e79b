// The explanation of a request as text: how it was, or would be, handled.
import { styleText } from 'node:util';
import { z } from 'zod';
import { printable } from '../table.ts';

const text = z.string().optional();
const pairs = z.array(z.tuple([z.string(), z.string()]));
const step = z.looseObject({
  stage: z.string(),
  plugin: z.string(),
  word: z.string(),
  ms: z.number().optional(),
  route: text,
  pool: text,
  server: text,
  status: z.number().optional(),
  why: text,
  edits: z.array(z.looseObject({ of: z.string(), field: z.string(), before: text, after: text })).default([]),
  notes: z.array(z.string()).default([]),
  servers: z
    .array(
      z.looseObject({
        server: z.string(),
        chosen: z.boolean(),
        why: text,
        weight: z.number(),
        inFlight: z.number(),
      }),
    )
    .default([]),
  moreServers: z.number().default(0),
});
type Step = z.output<typeof step>;
/** The admin API's explanation of one request. */
export const explanation = z.looseObject({
  worker: z.number().optional(),
  method: z.string(),
  url: z.string(),
  clientIp: z.string(),
  listener: z.string(),
  steps: z.array(step),
  moreSteps: z.number().default(0),
  server: text,
  sends: z.array(
    z.looseObject({
      server: z.string(),
      method: z.string(),
      target: z.string(),
      host: z.string(),
      headers: pairs,
    }),
  ),
  response: z.looseObject({
    status: z.number(),
    by: z.string(),
    plugin: text,
    code: text,
    why: text,
    headers: pairs,
  }),
  ms: z.number(),
});
/** A parsed {@link explanation}. */
export type Explained = z.output<typeof explanation>;

type Style = Parameters<typeof styleText>[0];

/** Colours are for terminals; NO_COLOR turns them off. */
const styled = (style: Style, words: string): string => styleText(style, words, { stream: process.stdout });

/** Returns the steps in order, then what is sent and what the client gets. */
export function explanationText(explained: Explained): string {
  const { steps, moreSteps, ms } = explained;
  const widths = {
    stage: Math.max(0, ...steps.map(({ stage }) => stage.length)),
    plugin: Math.max(0, ...steps.map(({ plugin }) => plugin.length)),
  };
  const lines = [headline(explained), ''];
  let stage = '';
  for (const one of steps) {
    lines.push(...linesOf(one, one.stage === stage ? '' : one.stage, widths));
    stage = one.stage;
  }
  if (moreSteps > 0) lines.push(`and ${moreSteps} more`);
  const took = `${explained.sends.length === 0 ? 'took' : 'explained in'} ${ms.toFixed(2)} ms`;
  lines.push('', ...sendingOf(explained), ...responseOf(explained), '', took);
  return lines.join('\n');
}

function headline({ method, url, clientIp, listener, worker }: Explained): string {
  const by = listener === '' ? '' : ` by listener ${listener}`;
  const within = worker === undefined ? '' : `, in worker ${worker}`;
  return `${styled('bold', printable(`${method} ${url}`))} ${printable(`from ${clientIp}${by}${within}`)}`;
}

const styles: Readonly<Record<string, Style>> = {
  skipped: 'dim',
  passed: 'dim',
  replied: 'yellow',
  routed: 'cyan',
  entered: 'cyan',
  chose: 'green',
  sends: 'green',
  sent: 'green',
  retries: 'yellow',
  refused: 'yellow',
  none: 'red',
  failed: 'red',
};

function linesOf(
  one: Step,
  stage: string,
  widths: { readonly stage: number; readonly plugin: number },
): string[] {
  const took = one.ms === undefined ? '' : `${one.ms.toFixed(2)} ms`;
  const head = `${stage.padEnd(widths.stage)}  ${took.padStart(10)}  ${printable(one.plugin).padEnd(widths.plugin)}  `;
  const more = [
    ...one.edits.map(editOf),
    ...one.notes.map(note => `note: ${note}`),
    ...serversOf(one),
    ...(one.moreServers > 0 ? [`  and ${one.moreServers} more servers`] : []),
  ];
  const indent = ' '.repeat(widths.stage + 16);
  return [
    `${head}${styled(styles[one.word] ?? 'reset', printable(wordsOf(one)))}`,
    ...more.map(line => `${indent}${printable(line)}`),
  ];
}

function wordsOf({ word, plugin, route, pool, server, status, why, edits }: Step): string {
  const reason = why === undefined ? '' : `: ${why}`;
  const by = route === undefined ? '' : ` by route ${route}`;
  switch (word) {
    case 'passed':
      return edits.length > 0 ? 'lets it pass, edits' : 'lets it pass';
    case 'skipped':
      return `is not asked${reason}`;
    case 'replied':
      return `replies ${status}${by}`;
    case 'routed':
      return pool === undefined ? `leads to a reply${by}` : `leads to pool ${pool}${by}`;
    case 'entered':
      return `continues to pool ${pool}${reason}`;
    case 'chose':
      return `chooses ${server}${reason}`;
    case 'none':
      return `no server of pool ${pool} is chosen`;
    case 'refused':
      return `refuses ${server}`;
    case 'retries':
      return pool === undefined ? 'has it tried again' : `has it tried again in pool ${pool}`;
    case 'sends':
      return `would send it to ${server}${why === undefined ? '' : ` (${why})`}`;
    case 'sent':
      return `${server} ${status === undefined ? 'fails' : `answers ${status}`}${reason}`;
    case 'failed':
      return `${plugin === 'weldr' && status !== undefined ? `answers ${status}` : 'fails'}${reason}`;
    default:
      return `${word}${reason}`;
  }
}

function editOf({ of, field, before, after }: Step['edits'][number]): string {
  const name = `${of === 'response' ? 'response ' : ''}${field}`;
  if (before === undefined) return `+ ${name}: ${after}`;
  return after === undefined ? `- ${name}: ${before}` : `~ ${name}: ${before} -> ${after}`;
}

function serversOf({ servers }: Step): string[] {
  const width = Math.max(0, ...servers.map(({ server }) => server.length));
  return servers.map(({ server, chosen, why, weight, inFlight }) => {
    const standing = why ?? `weight ${weight}, ${inFlight} in flight`;
    return `${chosen ? '>' : why === undefined ? ' ' : 'x'} ${server.padEnd(width)}  ${standing}`;
  });
}

/** Describes what is sent; of several attempts, the last one in full. */
function sendingOf({ sends }: Explained): string[] {
  const last = sends.at(-1);
  if (last === undefined) return [];
  const { server, method, target, host, headers } = last;
  return [
    `${styled('bold', printable(`to ${server}`))}`,
    ...[`${method} ${target}`, `Host: ${host}`, ...lines(headers)].map(line => `  ${printable(line)}`),
    '',
  ];
}

function responseOf({ response, server, sends }: Explained): string[] {
  const { status, by, plugin, code, why, headers } = response;
  const maker =
    by === 'upstream'
      ? `from ${server}${sends.length === 0 ? '' : ' (assumed)'}`
      : `by ${by === 'plugin' ? plugin : 'Weldr'}`;
  const error = code === undefined ? '' : ` (${code}${why === undefined ? '' : `: ${why}`})`;
  const style = by === 'weldr' || status >= 500 ? 'red' : by === 'plugin' ? 'yellow' : 'green';
  return [
    `${styled('bold', 'to the client')}`,
    `  ${styled(style, printable(`${status} ${maker}${error}`))}`,
    ...lines(headers).map(line => `  ${printable(line)}`),
  ];
}

const lines = (headers: z.output<typeof pairs>): string[] =>
  headers.map(([name, value]) => `${name}: ${value}`);
