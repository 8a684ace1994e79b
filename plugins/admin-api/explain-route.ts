// ExplainRoute: POST /explain: what would happen to a request, and what each plugin decides.
import { explainInput } from '../../core/explain/explain-input.ts';
import { parse } from '../../core/options/options.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';

/** Adds the route. */
export function addExplainRoute({ admin, explain }: Pick<ManagerSide, 'admin' | 'explain'>): void {
  admin.add({
    method: 'POST',
    path: '/explain',
    rel: 'explain',
    access: 'readers',
    summary: 'What would happen to a request, and what each plugin decides; nothing is sent',
    body: explainInput,
    answers: { 200: 'The decisions of the plugins in order, and the response' },
    async handle({ body }) {
      return { status: 200, body: await explain(parse(explainInput, body, 'INPUT_INVALID')) };
    },
  });
}
