// The steps of a request: the decisions of plugins, in order.
import type { Step } from '../data/explained.ts';
import { tookOf } from '../data/format.ts';
import { nameOf } from '../data/server.ts';

export function Steps({ steps }: { readonly steps: readonly Step[] }) {
  return (
    <ol class="steps">
      {steps.map((step, index) => (
        <StepItem key={`${index} ${step.plugin}`} step={step} />
      ))}
    </ol>
  );
}

/** Decisions that end or redirect a request. */
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
      <small class="muted">{ms === undefined ? '' : tookOf(ms)}</small>
    </li>
  );
}
