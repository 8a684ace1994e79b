// What Weldr would do with a request, and why.
import { useState } from 'preact/hooks';
import { call, textOf } from '../data/api.ts';
import { has, useFeatures } from '../data/features.ts';
import { Empty } from '../parts/missing.tsx';
import { RequestForm, type ThoughtOf } from '../parts/request-form.tsx';
import { ValueTree } from '../parts/value-tree.tsx';

export function ExplainPage() {
  const features = useFeatures();
  const [answer, setAnswer] = useState<unknown>(undefined);
  const [problem, setProblem] = useState('');
  const explain = async (request: ThoughtOf): Promise<void> => {
    try {
      setAnswer(await call('POST', '/explain', request));
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
        <p class="muted">what would become of a request, without sending it</p>
      </header>
      {isThere ? (
        <RequestForm action="Explain" withHeaders onSubmit={explain} />
      ) : (
        <Empty title="This Weldr does not explain">
          <p>
            Its admin API has no <code>POST /explain</code>. The page Routes tests which route a request
            takes.
          </p>
        </Empty>
      )}
      {problem !== '' && (
        <p class="note note-error" role="alert">
          {problem}
        </p>
      )}
      {answer !== undefined && (
        <section class="card" aria-label="The answer" aria-live="polite">
          <ValueTree value={answer} />
        </section>
      )}
    </>
  );
}
