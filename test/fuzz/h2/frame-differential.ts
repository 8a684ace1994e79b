// The fuzzer of HTTP/2 frames: how Weldr reads a client's frames, compared with nghttp2 (in Node) and python3-h2.
import { frameName, frameType } from '../../../core/http/h2/frames.ts';
import type { Random } from '../../support/random.ts';
import type { Parting, ResetAlone, Rule } from './allowed-differences.ts';
import type { ConnectionHistory, ConnectionOutcome, SeenRequest } from './connection-outcome.ts';
import { frameCase } from './frame-cases.ts';
import { listFrames } from './frame-list.ts';
import { readByWeldr } from './weldr-connection.ts';

/** A server to compare with. */
export interface OtherServer {
  readonly name: string;
  /** Connections at a time. */
  readonly batch: number;
  readonly read: (cases: readonly (readonly Buffer[])[]) => Promise<readonly ConnectionHistory[]>;
  /** Why it may end a connection at a different frame than Weldr. */
  readonly partings: readonly Rule<Parting>[];
  /** Why only one of the two may reset a stream. */
  readonly resets: readonly Rule<ResetAlone>[];
}

/** The results of a run. */
export interface FrameFigures {
  cases: number;
  /** Requests that were complete. */
  requests: number;
  /** Differences by the rule that explains them. */
  readonly explained: Map<string, number>;
  readonly findings: string[];
}

/** Runs `cases` connections against another server; `make`: the bytes of a client, in pieces. */
export async function fuzzFrames(
  other: OtherServer,
  cases: number,
  random: Random,
  make: (random: Random) => readonly Buffer[] = frameCase,
): Promise<FrameFigures> {
  const figures: FrameFigures = { cases: 0, requests: 0, explained: new Map(), findings: [] };
  while (figures.cases < cases && figures.findings.length < 20) {
    const inputs = Array.from({ length: Math.min(other.batch, cases - figures.cases) }, () => make(random));
    const [ours, theirs] = await Promise.all([readByWeldr(inputs), other.read(inputs)]);
    for (const [n, pieces] of inputs.entries()) {
      const [mine, its] = [ours[n], theirs[n]];
      if (mine === undefined || its === undefined) throw new Error('a history is missing');
      const end = compareEnds(other, pieces, mine, its, figures);
      // Before the piece at which the two part, their states must be the same.
      compareStreams(mine.before(end), its.before(end), pieces.slice(0, end), other, figures);
    }
    figures.cases += inputs.length;
  }
  return figures;
}

/** Compares where two connections end; returns the piece before which both were open. */
function compareEnds(
  other: OtherServer,
  pieces: readonly Buffer[],
  mine: ConnectionHistory,
  its: ConnectionHistory,
  figures: FrameFigures,
): number {
  const ends = [mine.diedAt, its.diedAt].filter(at => at >= 0);
  const first = ends.length === 0 ? pieces.length : Math.min(...ends);
  if (mine.diedAt === its.diedAt) return first;
  const who = mine.diedAt === first ? 'weldr' : 'other';
  const [ours, theirs] = [mine.before(), its.before()];
  const partings = partingsAt(pieces, first, who, ours, theirs);
  if (!partings.some(parting => isExplained(other.partings, parting, figures))) {
    figures.findings.push(
      `${who === 'weldr' ? `Weldr ends it (${mine.died})` : `${other.name} ends it (${its.died})`} at piece ${first}; ` +
        `resets ${[...ours.resets].join(' ')} and ${[...theirs.resets].join(' ')}\n${shown(pieces.slice(0, first + 1))}`,
    );
  }
  return first;
}

/** Returns a parting for each frame of the piece, which may hold several if lengths were changed. */
function partingsAt(
  pieces: readonly Buffer[],
  at: number,
  who: 'weldr' | 'other',
  ours: ConnectionOutcome,
  theirs: ConnectionOutcome,
): Parting[] {
  const start = Buffer.concat(pieces.slice(0, at)).length;
  const frames = listFrames(Buffer.concat(pieces.slice(0, at + 1)));
  return frames.flatMap((frame, n) =>
    frame.end > start ? [{ frame, before: frames.slice(0, n), who, ours, theirs }] : [],
  );
}

function isExplained<Difference>(
  rules: readonly Rule<Difference>[],
  difference: Difference,
  { explained }: FrameFigures,
): boolean {
  const rule = rules.find(({ holds }) => holds(difference));
  if (rule !== undefined) explained.set(rule.why, (explained.get(rule.why) ?? 0) + 1);
  return rule !== undefined;
}

/** Records the differences of two open connections. */
function compareStreams(
  ours: ConnectionOutcome,
  theirs: ConnectionOutcome,
  pieces: readonly Buffer[],
  other: OtherServer,
  figures: FrameFigures,
): void {
  for (const { complete } of ours.requests.values()) if (complete) figures.requests++;
  const frames = listFrames(Buffer.concat([...pieces]));
  const givenUp = new Set(
    frames.filter(({ type }) => type === frameType.rstStream).map(({ stream }) => stream),
  );
  const find = (what: string): void => void figures.findings.push(`${what}\n${shown(pieces)}`);
  for (const id of new Set([...ours.resets.keys(), ...theirs.resets.keys()])) {
    const [mine, its] = [ours.resets.get(id), theirs.resets.get(id)];
    if ((mine === undefined) === (its === undefined)) continue;
    const difference: ResetAlone = { who: its === undefined ? 'weldr' : 'other', stream: id, frames };
    if (!isExplained(other.resets, difference, figures))
      find(`stream ${id} is reset: ${mine} here, ${its} there`);
  }
  for (const id of new Set([...ours.requests.keys(), ...theirs.requests.keys()])) {
    if (ours.resets.has(id) || theirs.resets.has(id) || givenUp.has(id)) continue;
    // Some servers pass on part of a cut frame, others wait for its end.
    if (frames.at(-1)?.stream === id) continue;
    const why = requestDifference(ours.requests.get(id), theirs.requests.get(id));
    if (why !== '') find(`stream ${id}: ${why}`);
  }
}

function requestDifference(ours: SeenRequest | undefined, theirs: SeenRequest | undefined): string {
  if (ours === undefined || theirs === undefined) return `a request only ${ours ? 'here' : 'there'}`;
  if (ours.head !== theirs.head) return `${ours.head}\nthere: ${theirs.head}`;
  if (ours.complete !== theirs.complete) return `complete only ${ours.complete ? 'here' : 'there'}`;
  return ours.body === theirs.body ? '' : `${ours.body} bytes of body here, ${theirs.body} there`;
}

/** Formats the pieces as text for readers, and as base64 for machines. */
function shown(pieces: readonly Buffer[]): string {
  const lines = listFrames(Buffer.concat([...pieces])).map(({ type, flags, stream, length, payload }) => {
    const text = payload.toString('latin1', 0, 120).replaceAll(/[^ -~]/g, '.');
    return `  ${frameName(type)} ${flags.toString(16)} on ${stream}, ${length} bytes: ${text}`;
  });
  return `${lines.join('\n')}\n  ${Buffer.concat([...pieces])
    .toString('base64')
    .slice(0, 3000)}`;
}
