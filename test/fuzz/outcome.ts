// What a reader makes of a stream of bytes, and when two readers disagree.

/** One message as a reader framed it. */
export interface Framed {
  /** Method and target of a request, status of a response. */
  readonly line: string;
  /** latin1. */
  body: string;
  complete: boolean;
}

/** All that a reader made of one stream. */
export interface Outcome {
  readonly messages: Framed[];
  /** Why it stopped; '' when it only ran out of bytes, or was done. */
  refusal: string;
  /** A trailer that frames the body anew or ends the connection came, and was dropped. */
  droppedSteering?: boolean;
}

/**
 * Why Weldr's reading is worse than the other's; '' when it is not. Weldr may refuse more; it must not accept what the
 * other refuses, nor end a message elsewhere.
 */
export function disagreement(weldr: Outcome, other: Outcome): string {
  for (const [i, ours] of weldr.messages.entries()) {
    const theirs = other.messages[i];
    if (theirs === undefined)
      return `message ${i}, ${ours.line}: the other reader has none (${other.refusal})`;
    if (theirs.line !== ours.line) return `message ${i}: ${ours.line}, the other reader has ${theirs.line}`;
    const last = i === weldr.messages.length - 1;
    // What is refused within its body may have been read on by the other.
    if (last && !ours.complete && weldr.refusal !== '')
      return theirs.body.startsWith(ours.body) ? '' : `message ${i}: another body`;
    if (ours.complete !== theirs.complete)
      return `message ${i}, ${ours.line}: complete is ${ours.complete}, the other reader says ${theirs.complete} (${other.refusal})`;
    if (ours.body !== theirs.body)
      return `message ${i}, ${ours.line}: ${ours.body.length} bytes of body, the other reader has ${theirs.body.length}`;
  }
  return '';
}
