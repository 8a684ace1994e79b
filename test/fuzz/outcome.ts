// How a reader reads a stream of bytes, and when two readers disagree.

/** One message as a reader framed it. */
export interface Framed {
  /** Method and target of a request, status of a response. */
  readonly line: string;
  /** latin1. */
  body: string;
  complete: boolean;
}

/** Everything that a reader read from one stream. */
export interface Outcome {
  readonly messages: Framed[];
  /** Why it stopped; '' when it only ran out of bytes, or was done. */
  refusal: string;
  /** A trailer that changes the framing or ends the connection was received, and dropped. */
  droppedSteering?: boolean;
}

/**
 * Returns why Weldr's reading is worse than the other's; '' if it is not. Weldr may refuse more; it must not accept what
 * the other refuses, nor end a message elsewhere.
 */
export function disagreement(weldr: Outcome, other: Outcome): string {
  for (const [i, ours] of weldr.messages.entries()) {
    const theirs = other.messages[i];
    if (theirs === undefined)
      return `message ${i}, ${ours.line}: the other reader has none (${other.refusal})`;
    if (theirs.line !== ours.line) return `message ${i}: ${ours.line}, the other reader has ${theirs.line}`;
    const last = i === weldr.messages.length - 1;
    // The other reader may have continued in a body in which Weldr refused.
    if (last && !ours.complete && weldr.refusal !== '')
      return theirs.body.startsWith(ours.body) ? '' : `message ${i}: another body`;
    if (ours.complete !== theirs.complete)
      return `message ${i}, ${ours.line}: complete is ${ours.complete}, the other reader says ${theirs.complete} (${other.refusal})`;
    if (ours.body !== theirs.body)
      return `message ${i}, ${ours.line}: ${ours.body.length} bytes of body, the other reader has ${theirs.body.length}`;
  }
  return '';
}
