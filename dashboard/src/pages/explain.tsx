// What Weldr would do with a request, and why: each plugin's decision, in order.
import { useState } from 'preact/hooks';
import { call, textOf } from '../data/api.ts';
import type { Explanation } from '../data/explained.ts';
import { has, useFeatures } from '../data/features.ts';
import { msOf } from '../data/format.ts';
import { nameOf } from '../data/server.ts';
import { Empty } from '../parts/missing.tsx';
import { RequestForm, type ThoughtOf } from '../parts/request-form.tsx';
import { Steps } from '../parts/steps.tsx';

export function ExplainPage() {
  const features = useFeatures();
  const [answer, setAnswer] = useState<Explanation | undefined>(undefined);
  const [problem, setProblem] = useState('');
  const explain = async (request: ThoughtOf): Promise<void> => {
    try {
      setAnswer(await call<Explanation>('POST', '/explain', request));
      setProblem('');
    } catch (thrown) {
      setProblem(textOf(thrown));
      setAnswer(undefined);
    }
  };
  const isThere = features === undefined || has(features, '/explain');
  return (
    <>
      <header class="page-head">
        <h1>Explain</h1>
        <p class="muted">what would happen to a request, without sending it</p>
      </header>
      {isThere ? (
        <RequestForm action="Explain" withHeaders onSubmit={explain} />
      ) : (
        <Empty title="This Weldr cannot explain requests">
          <p>
            Its admin API has no <code>POST /explain</code>. The page Routes shows which route a request would
            take.
          </p>
        </Empty>
      )}
      {problem !== '' && (
        <p class="note note-error" role="alert">
          {problem}
        </p>
      )}
      <div aria-live="polite">{answer !== undefined && <Answer answer={answer} />}</div>
    </>
  );
}

function Answer({ answer: { steps, route, pool, server, response, ms } }: { readonly answer: Explanation }) {
  const { status, by, plugin, why } = response;
  const isGood = status < 400;
  const where = [
    ...(route === undefined ? [] : [`route ${route}`]),
    `pool ${pool}`,
    ...(server === undefined ? [] : [nameOf(server)]),
  ];
  return (
    <section class="card explained" aria-label="The response">
      <h2>
        <span class={isGood ? 'status' : 'status is-bad'}>{status}</span> by{' '}
        {by === 'plugin' ? plugin : by === 'upstream' ? 'the server' : 'Weldr'}
      </h2>
      <p class="muted">
        {where.join(' → ')} · {msOf(ms)}
        {why === undefined ? '' : ` · ${why}`}
      </p>
      <Steps steps={steps} />
    </section>
  );
}
