// The parser-level fuzzer: mutated messages, read by Weldr's readers and by Node's.
import { Random } from '../support/random.ts';
import { requestCases } from '../wire/requests/all.ts';
import { responseCases } from '../wire/responses/corpus.ts';
import { mutate } from './mutation.ts';
import * as node from './node-reader.ts';
import { disagreement, type Outcome } from './outcome.ts';
import * as weldr from './weldr-reader.ts';

const goodRequests = requestCases.filter(({ refused }) => refused === undefined).map(({ send }) => send);
const goodResponses = responseCases.filter(({ outcome }) => outcome === 'passes').map(({ sends }) => sends);

// Most mutations are refused, so valid messages weigh more.
const seedsOf = (all: readonly string[], good: readonly string[]): string[] =>
  [...all, ...good, ...good, ...good, ...good].filter(text => text !== '' && text.length < 1_500);

/** Raw requests to mutate. */
export const requestSeeds = seedsOf(
  requestCases.map(({ send }) => send),
  goodRequests,
);
/** Raw responses to mutate. */
export const responseSeeds = seedsOf(
  responseCases.map(({ sends }) => sends),
  goodResponses,
);

/** Whether requests or responses are mutated. */
export type Side = 'requests' | 'responses';

/** The results of a run. */
export interface Figures {
  cases: number;
  /** Messages that Weldr accepted as complete. */
  accepted: number;
  /** Streams that Weldr refused, and that Node's parser refused. */
  refused: number;
  refusedByNode: number;
  /** Inputs that Weldr read worse than Node. */
  readonly findings: { readonly input: string; readonly why: string }[];
}

const batch = 256;

/**
 * Runs `cases` mutations. `onProgress` is called after each batch.
 * @param seed the same seed makes the same inputs
 */
export async function fuzz(
  side: Side,
  cases: number,
  seed: number,
  onProgress: (figures: Figures) => void = () => {},
): Promise<Figures> {
  const random = new Random(seed);
  const seeds = side === 'requests' ? requestSeeds : responseSeeds;
  const figures: Figures = { cases: 0, accepted: 0, refused: 0, refusedByNode: 0, findings: [] };
  while (figures.cases < cases && figures.findings.length < 20) {
    const inputs = Array.from({ length: Math.min(batch, cases - figures.cases) }, () =>
      mutate(seeds, random),
    );
    const second = await askNode(side, inputs);
    for (const [i, input] of inputs.entries()) {
      const ours = side === 'requests' ? weldr.readRequests(input) : weldr.readResponse(input);
      count(figures, ours, second[i]);
      if (disagreement(ours, second[i] ?? nothing) === '') continue;
      // The second opinion may only have needed more time.
      const [theirs = nothing] = await askNode(side, [input], 50);
      const why = disagreement(ours, theirs);
      if (why !== '' && !isAllowed(input, ours, theirs)) figures.findings.push({ input, why });
    }
    onProgress(figures);
  }
  return figures;
}

const nothing: Outcome = { messages: [], refusal: '' };

function askNode(side: Side, inputs: readonly string[], turns?: number): Promise<Outcome[]> {
  return side === 'requests' ? node.readRequests(inputs, turns) : node.readResponses(inputs, turns);
}

function count(figures: Figures, ours: Outcome, theirs: Outcome = nothing): void {
  figures.cases++;
  figures.accepted += ours.messages.filter(message => message.complete).length;
  if (ours.refusal !== '') figures.refused++;
  if (theirs.refusal !== '') figures.refusedByNode++;
}

// Where Node refuses what HTTP allows and Weldr passes on in a new form: methods that Node has no number for
// (RFC 9110 section 9.1: any token), trailers of a response that a recipient has to ignore (section 6.5.1), requests
// after one whose Upgrade is ignored (section 7.8; Node reads no further), and a response after an interim one with
// `Connection: close`, which is meant for the final one (RFC 9112 section 9.6).
function isAllowed(input: string, ours: Outcome, theirs: Outcome): boolean {
  const { refusal } = theirs;
  if (refusal === 'HPE_INVALID_METHOD') return true;
  if (refusal === 'HPE_CLOSED_CONNECTION' && /^HTTP\/1\.[01] 10\d /.test(input)) return true;
  if (refusal === '' && /\r\nupgrade:/i.test(input)) return true;
  return ours.droppedSteering === true && theirs.messages.length > 0;
}
