// Frame: everything that the view shows at one moment, laid out for a size. It depends on no terminal and no API.
import { figure } from './columns.ts';
import { type Line, type Piece, partsThatFit, wrapped } from './line.ts';
import type { Look, Tally } from './look.ts';
import { type Order, sorted } from './order.ts';
import { problemLines, trafficLine, trafficLines } from './overview-lines.ts';
import { serverTable } from './server-table.ts';

/** The content of a frame. */
export interface FrameContent {
  /** The address of the admin API. */
  readonly address: string;
  /** The newest figures. */
  readonly look: Look;
  /** When they were read, as shown. */
  readonly readAt: string;
  /** Their age, ms. */
  readonly ageMs: number;
  readonly intervalMs: number;
  /** Why there are no newer figures, if known. */
  readonly problem: string | undefined;
  readonly order: Order | undefined;
  /** Whether the view reacts to keys. */
  readonly hasKeys: boolean;
}

/** The size of a terminal, in characters. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** How late an answer is before the frame says so, ms. */
const slowMs = 2_000;

/** Returns the lines of a frame: `rows` of them, none wider than `columns`. */
export function drawFrame(content: FrameContent, { columns: width, rows: height }: Size): Line[] {
  const problem = content.problem ?? slowAnswer(content);
  const isOld = problem !== undefined;
  const { servers } = content.look;
  const head = headOf(content, { isOld, width, height });
  const complaint = isOld ? complaintOf(problem, { width, height }) : [];
  const count = Math.max(0, height - head.length - 1 - complaint.length - 1);
  const foot = footOf(content, { hidden: Math.max(0, servers.length - count), width });
  const bottom = [...complaint, foot].slice(-height);
  const table =
    servers.length === 0
      ? [partsThatFit([{ text: 'no servers' }, { text: 'add one: weldr servers add URL' }], width)]
      : serverTable(sorted(servers, content.order), { width, count, isOld });
  const top = [...head, ...table].slice(0, height - bottom.length);
  const between = Array.from({ length: height - top.length - bottom.length }, (): Line => []);
  return [...top, ...between, ...bottom];
}

/** Returns the lines above the servers: few on a short terminal, where the servers matter more. */
function headOf(
  { address, look, readAt, ageMs }: FrameContent,
  { isOld, width, height }: { readonly isOld: boolean; readonly width: number; readonly height: number },
): Line[] {
  if (height < 6) return [];
  const title: Piece[] = [
    { text: 'weldr stats', style: 'title' },
    isOld ? { text: `${secondsOf(ageMs)} old`, style: 'bad' } : { text: readAt },
    { text: address },
  ];
  const first = partsThatFit(title, width);
  const tallies = [
    partsThatFit(tallyParts('clients', look.client, isOld), width),
    partsThatFit(tallyParts('servers', look.server, isOld), width),
  ];
  const { overview } = look;
  if (overview === undefined) return height < 12 ? [first, ...tallies.slice(0, 1)] : [first, ...tallies, []];
  const problems = (most: number): Line[] => problemLines(overview, { width, most, isOld });
  const inOne = trafficLine(overview, { width, isOld });
  if (height < 12) return [first, ...(inOne.length > 0 ? inOne : tallies.slice(0, 1)), ...problems(1)];
  if (height < 20) return [first, ...inOne, ...tallies, ...problems(2), []];
  const most = Math.max(3, Math.floor(height / 6));
  return [first, ...trafficLines(overview, { width, isOld }), ...tallies, ...problems(most), []];
}

function tallyParts(who: string, { rate, failedRate, success, failed }: Tally, isOld: boolean): Piece[] {
  const style = isOld ? 'faint' : undefined;
  const failing = (failedRate ?? 0) > 0 ? 'bad' : undefined;
  return [
    { text: `${who} ${figure(rate)}/s`, style },
    { text: `${figure(failedRate)}/s failed`, style: style ?? failing },
    { text: `since the start ${success} succeeded, ${failed} failed`, style },
  ];
}

/** Returns the lines of a problem: at most a third of the terminal, and three. */
function complaintOf(
  problem: string,
  { width, height }: { readonly width: number; readonly height: number },
): Line[] {
  const most = Math.max(1, Math.min(3, Math.floor(height / 3)));
  return wrapped(problem, width)
    .slice(0, most)
    .map(text => [{ text, style: 'bad' }]);
}

function slowAnswer({ address, ageMs, intervalMs }: FrameContent): string | undefined {
  const late = ageMs - intervalMs;
  return late < slowMs ? undefined : `no answer from ${address} for ${secondsOf(late)}`;
}

function footOf(
  { order, hasKeys }: FrameContent,
  { hidden, width }: { readonly hidden: number; readonly width: number },
): Line {
  const parts: Piece[] = [];
  if (hidden > 0) parts.push({ text: `and ${hidden} more server${hidden === 1 ? '' : 's'}`, style: 'title' });
  if (order !== undefined) parts.push({ text: `by ${order}` });
  if (hasKeys) parts.push({ text: 'q: quit' }, { text: 's: sort' });
  return partsThatFit(parts, width);
}

const secondsOf = (ms: number): string => `${Math.round(ms / 1000)} s`;
