// Which regular expressions of routes are refused, because a text could keep them busy forever.
import * as assert from 'uvu/assert';
import { backtrackingProblem } from '../../../plugins/routes/backtracking.ts';
import { suite } from '../../support/suite.ts';

const test = suite('an expression of a route');

test('is refused where a repetition is repeated', () => {
  for (const expression of [
    /^(a+)+$/,
    /(a*)*/,
    /(\w+\s?)*/,
    /(?:a+|b)*c/,
    /(.*)*x/,
    /(a{1,3}){2,}/,
    /(?:(?:x+)y?)+/,
    /(?<name>[a-z]+)+!/,
    /(?:\/.*)*z/,
    /(a?b?)+/,
    /(x+x+)+y/,
  ]) {
    assert.match(backtrackingProblem(expression) ?? '', 'repeats a group in which something repeats');
  }
});

test('is refused where alternatives that begin alike are repeated', () => {
  for (const expression of [/(a|a)*$/, /(a|ab)+$/, /(?:[ab]|a)*/, /(\w|\d)+/, /(k|K)*/i]) {
    assert.match(backtrackingProblem(expression) ?? '', 'repeats alternatives that begin alike');
  }
});

test('is refused where it refers back to a group, or is very long', () => {
  assert.match(backtrackingProblem(/^\/(\w+)\/\1$/) ?? '', 'refers back');
  assert.match(backtrackingProblem(/^\/(?<a>\w+)\/\k<a>$/) ?? '', 'refers back');
  assert.match(backtrackingProblem(new RegExp('a'.repeat(1025))) ?? '', 'longer than 1024');
});

test('is accepted where each round of a repetition begins with a distinct character', () => {
  for (const expression of [
    /^\/v\d+\/(.*)$/,
    /^\/files(?:\/[\w-]+)*\/?$/,
    /(?:\.[a-z0-9]+)+$/,
    /^(?:foo|bar)+$/,
    /^(?:a|b)*$/,
    /^(?:[a-z]{2}){1,3}$/,
    /^\/(?<year>\d{4})-(?<month>\d\d)$/,
    /^(?!\/internal)\/[^/]+$/,
    /^\/[(+*)]+\/\(x\)+$/,
    /^\/(?:a(?:b)?c)?$/,
  ]) {
    assert.is(backtrackingProblem(expression), undefined, String(expression));
  }
});
