// Answers of a test's origin: a status, or held back until the test releases them, which needs no delay.
import type { RequestListener } from 'node:http';

/** Answers each request with a status and an empty body. */
export const answerStatus =
  (status: number): RequestListener =>
  (_, response) => {
    response.writeHead(status).end();
  };

/** A handler of an origin that holds answers back. */
export class HeldAnswers {
  private readonly waiting: (() => void)[] = [];

  /** `isFree`: whether a request is answered at once, by its target. */
  constructor(isFree: (url: string) => boolean = () => false) {
    this.handle = ({ url = '' }, response) => {
      if (isFree(url)) response.end();
      else this.waiting.push(() => response.end());
    };
  }

  readonly handle: RequestListener;

  release(): void {
    for (const answer of this.waiting.splice(0)) answer();
  }
}
