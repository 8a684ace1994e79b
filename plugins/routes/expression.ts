// Expression: regular expressions of routes: /…/ in code, "~…" and "~*…" in JSON and YAML, as in nginx.
import { backtrackingProblem } from './backtracking.ts';

/** Returns the expression of a pattern; undefined: the pattern is not an expression. */
export function expressionOf(pattern: string | RegExp): RegExp | undefined {
  if (pattern instanceof RegExp) {
    // With g or y, an expression would start where the match of the last request ended.
    return /[gy]/.test(pattern.flags)
      ? new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
      : pattern;
  }
  if (!pattern.startsWith('~')) return undefined;
  const ignoresCase = pattern.startsWith('~*');
  return new RegExp(pattern.slice(ignoresCase ? 2 : 1).trim(), ignoresCase ? 'i' : '');
}

/** Returns whether a pattern is written as an expression. */
export function isExpression(pattern: unknown): pattern is string | RegExp {
  return pattern instanceof RegExp || (typeof pattern === 'string' && pattern.startsWith('~'));
}

/** Returns what is wrong with an expression; undefined: nothing, or the pattern is not one. */
export function expressionProblem(pattern: unknown): string | undefined {
  if (!isExpression(pattern)) return undefined;
  try {
    const expression = expressionOf(pattern);
    return expression === undefined ? undefined : backtrackingProblem(expression);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return `${JSON.stringify(pattern)} is not a regular expression: ${why}`;
  }
}

/**
 * Returns what is wrong with an expression for paths. Paths are compared in normal form, which has %2F in upper case, so an
 * expression with `%2f` would never match.
 */
export function pathExpressionProblem(pattern: unknown): string | undefined {
  const problem = expressionProblem(pattern);
  if (problem !== undefined) return problem;
  const expression = isExpression(pattern) ? expressionOf(pattern) : undefined;
  if (expression === undefined || expression.flags.includes('i')) return undefined;
  const triplet = /%(?:[a-f][\da-f]|\d[a-f])/i.exec(expression.source)?.[0];
  if (triplet === undefined || triplet === triplet.toUpperCase()) return undefined;
  return `the expression ${String(expression)} has ${triplet}: write ${triplet.toUpperCase()}, because paths are compared in normal form`;
}
