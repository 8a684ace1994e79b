// What an origin of a test answers: a status, or nothing before the test says so, in place of a delay.
import type { RequestListener } from 'node:http';

/** Answers each request with a status and nothing else. */
export const answerStatus =
  (status: number): RequestListener =>
  (_, response) => {
    response.writeHead(status).end();
  };

/** A handler of an origin, and what it holds back. */
export class HeldAnswers {
  private readonly waiting: (() => void)[] = [];

  /** `isFree`: what is answered at once, by its target. */
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
