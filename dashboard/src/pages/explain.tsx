// What Weldr would do with a request, and why: each plugin's word in order.
import { useState } from 'preact/hooks';
import { call, textOf } from '../data/api.ts';
import { has, useFeatures } from '../data/features.ts';
import { msOf } from '../data/format.ts';
import { nameOf } from '../data/server.ts';
import { Empty } from '../parts/missing.tsx';
import { RequestForm, type ThoughtOf } from '../parts/request-form.tsx';

interface Edit {
  readonly of: string;
  readonly field: string;
  readonly before?: string;
  readonly after?: string;
}

interface Candidate {
  readonly server: string;
  readonly chosen: boolean;
  readonly available: boolean;
  readonly why?: string;
}

interface Step {
  readonly stage: string;
  readonly plugin: string;
  readonly word: string;
  readonly ms?: number;
  readonly route?: string;
  readonly pool?: string;
  readonly server?: string;
  readonly status?: number;
  readonly why?: string;
  readonly edits?: readonly Edit[];
  readonly notes?: readonly string[];
  readonly servers?: readonly Candidate[];
}

interface Explanation {
  readonly steps: readonly Step[];
  readonly route?: string;
  readonly pool: string;
  readonly server?: string;
  readonly response: {
    readonly status: number;
    readonly by: string;
    readonly plugin?: string;
    readonly why?: string;
  };
  readonly ms: number;
}

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
    <section class="card explained" aria-label="The answer">
      <h2>
        <span class={isGood ? 'status' : 'status is-bad'}>{status}</span> by{' '}
        {by === 'plugin' ? plugin : by === 'upstream' ? 'the server' : 'Weldr'}
      </h2>
      <p class="muted">
        {where.join(' → ')} · {msOf(ms)}
        {why === undefined ? '' : ` · ${why}`}
      </p>
      <ol class="steps">
        {steps.map((step, index) => (
          <StepItem key={`${index} ${step.plugin}`} step={step} />
        ))}
      </ol>
    </section>
  );
}

/** Words that end or turn a request's way. */
const loud: ReadonlySet<string> = new Set(['replied', 'none', 'refused', 'retries', 'failed']);

function StepItem({ step }: { readonly step: Step }) {
  const {
    stage,
    plugin,
    word,
    ms,
    route,
    pool,
    server,
    status,
    why,
    edits = [],
    notes = [],
    servers = [],
  } = step;
  const about = [
    ...(status === undefined ? [] : [String(status)]),
    ...(route === undefined ? [] : [`route ${route}`]),
    ...(pool === undefined ? [] : [`pool ${pool}`]),
    ...(server === undefined ? [] : [nameOf(server)]),
  ];
  return (
    <li class={loud.has(word) ? 'step is-loud' : word === 'skipped' ? 'step is-quiet' : 'step'}>
      <small class="stage">{stage}</small>
      <div>
        <p>
          <strong>{plugin}</strong> {word} {about.join(', ')}
          {why !== undefined && <span class="muted"> – {why}</span>}
        </p>
        {edits.map(({ of, field, before, after }) => (
          <p key={`${of} ${field}`} class="edit">
            {of} {field}: <del>{before ?? 'none'}</del> <ins>{after ?? 'none'}</ins>
          </p>
        ))}
        {notes.map(note => (
          <p key={note} class="muted">
            {note}
          </p>
        ))}
        {servers.map(({ server: id, chosen, available, why: reason }) => (
          <p key={id} class={chosen ? 'candidate is-chosen' : 'candidate'}>
            {chosen ? '→' : available ? '·' : '×'} {nameOf(id)}
            {reason !== undefined && <span class="muted"> {reason}</span>}
          </p>
        ))}
      </div>
      <small class="muted">{ms === undefined ? '' : msOf(ms)}</small>
    </li>
  );
}
