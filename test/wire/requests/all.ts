// All cases of the request corpus.
import type { RequestCase } from './case.ts';
import { framingCases } from './framing.ts';
import { persistenceCases } from './persistence.ts';
import { routingCases } from './routing.ts';
import { syntaxCases } from './syntax.ts';

export const requestCases: readonly RequestCase[] = [
  ...framingCases,
  ...syntaxCases,
  ...routingCases,
  ...persistenceCases,
];
