// Patterns: the hosts and paths of routes as written in a config: like those of matchers, or regular expressions.
import { z } from 'zod';
import { hostProblem } from '../../core/request/host-pattern.ts';
import { listProblem, oneOrMore } from '../../core/request/matcher.ts';
import { patternProblem } from '../../core/request/path-pattern.ts';
import { expressionProblem, isExpression, pathExpressionProblem } from './expression.ts';

type ProblemOf = (value: unknown) => string | undefined;

const problemOfPath: ProblemOf = value =>
  isExpression(value) ? pathExpressionProblem(value) : patternProblem(value);
const problemOfHost: ProblemOf = value =>
  isExpression(value) ? expressionProblem(value) : hostProblem(value);

/** In JSON and YAML an expression is a text. */
const asText =
  (problemOf: ProblemOf, example: string): ProblemOf =>
  value =>
    value instanceof RegExp
      ? `a regular expression is written as a text here, such as ${JSON.stringify(example)}`
      : problemOf(value);

/** One or more paths or hosts, in a config in code. */
function inCode(problemOf: ProblemOf) {
  const one = z.custom<string | RegExp>(value => problemOf(value) === undefined, {
    error: ({ input }) => listProblem(input, problemOf),
  });
  return z
    .union([one, z.array(one).min(1).max(1000)], { error: ({ input }) => listProblem(input, problemOf) })
    .optional();
}

const aboutPath =
  '`/login` (and `/login/`), `/api/*` (`/api` and everything below it), `/users/:id` (one segment), or an expression such as `~^/v\\d+/`.';
const aboutHost =
  'The requested host, without port: `shop.example`, `*.shop.example` (any name below it), or an expression such as `~^shop-\\d+\\.example$`.';

export const pathInText = oneOrMore(asText(problemOfPath, '~^/v\\d+/')).optional().describe(aboutPath);
export const hostInText = oneOrMore(asText(problemOfHost, '~^shop-\\d+\\.example$'))
  .optional()
  .describe(aboutHost);
export const pathInCode = inCode(problemOfPath).describe(aboutPath);
export const hostInCode = inCode(problemOfHost).describe(aboutHost);
