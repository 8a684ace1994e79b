// The details of one server, in a side panel.
import { useAsked } from '../../data/asked.ts';
import { forget } from '../../data/changes.ts';
import { agoOf, dayOf, msOf, plural, rateOf, shareOf, timeOf } from '../../data/format.ts';
import { now } from '../../data/live.ts';
import { linkTo } from '../../data/place.ts';
import {
  hrefOf,
  nameOf,
  type Override,
  reasonTextOf,
  type Server,
  type ServerFacts,
} from '../../data/server.ts';
import { mayChange } from '../../data/session.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { HistoryStrip } from '../../parts/history-strip.tsx';
import { StateMark, stateWords } from '../../parts/state-mark.tsx';
import { ValueTree } from '../../parts/value-tree.tsx';
import { ServerActions } from './server-actions.tsx';

export function ServerDetails({
  server,
  onClose,
}: {
  readonly server: Server;
  readonly onClose: () => void;
}) {
  const { id, pool, state, reason, history, rate, errorShare, inFlight, p50, p99 } = server;
  // The stream does not carry the last check.
  const { value } = useAsked<ServerFacts>(hrefOf(server), 2000);
  const facts = value ?? server.facts;
  const overrides = Object.entries(facts?.overrides ?? {});
  return (
    <Dialog title={nameOf(id)} side onClose={onClose}>
      <p class="details-state">
        <StateMark state={state} />
        <span class="muted">{reason}</span>
        {mayChange.value && <ServerActions server={server} />}
      </p>
      <HistoryStrip history={history} now={now.value} />
      <dl class="numbers">
        {(
          [
            ['Requests', `${rateOf(rate)}/s`],
            ['Errors', shareOf(errorShare)],
            ['In flight', inFlight === undefined ? '–' : String(inFlight)],
            ['p50', msOf(p50)],
            ['p99', msOf(p99)],
          ] as const
        ).map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      {mayChange.value && (
        <p>
          <a href={linkTo('requests', { server: nameOf(id), pool })} onClick={onClose}>
            Requests to this server
          </a>
        </p>
      )}
      <h3>Definition</h3>
      <dl class="facts">
        <dt>Address</dt>
        <dd>{id}</dd>
        <dt>Pool</dt>
        <dd>{pool}</dd>
        <dt>Weight</dt>
        <dd>{facts?.weight ?? '–'}</dd>
        <dt>Layer</dt>
        <dd>
          {facts?.layer ?? '–'}
          {facts?.shadows !== undefined && ` (shadows ${facts.shadows})`}
        </dd>
        {Object.entries(facts?.labels ?? {}).map(([name, value]) => [
          <dt key={`${name}-t`}>{name}</dt>,
          <dd key={`${name}-d`}>{value}</dd>,
        ])}
      </dl>
      {overrides.length > 0 && (
        <>
          <h3>Changed at run time</h3>
          <ul class="overrides">
            {overrides.map(([field, override]) => (
              <OverrideItem key={field} server={server} field={field} override={override} />
            ))}
          </ul>
        </>
      )}
      <h3>Last check</h3>
      <LastCheck health={facts?.health} />
      <h3>State changes</h3>
      <ol class="changes">
        {history.toReversed().map(({ at, state: was }) => (
          <li key={at}>
            <StateMark state={was} word={stateWords[was]} /> <span class="muted">since {timeOf(at)}</span>
          </li>
        ))}
      </ol>
    </Dialog>
  );
}

/** The last check as a text, with its other facts as a list. */
function LastCheck({ health }: { readonly health: ServerFacts['health'] | undefined }) {
  if (health === null || health === undefined) return <p class="muted">Not checked yet.</p>;
  const { status, checkedAt, detail, consecutiveFailures, consecutivePasses, ...rest } = health;
  const isBad = status === 'failing';
  const inRow = Number(isBad ? consecutiveFailures : consecutivePasses) || 0;
  return (
    <>
      <p>
        <span class={isBad ? 'is-bad' : ''}>
          {String(status)}
          {detail === undefined || detail === null ? '' : `: ${reasonTextOf(String(detail))}`}
        </span>
        <span class="muted">
          {typeof checkedAt === 'number' && `, ${agoOf(checkedAt, now.value)}`}
          {inRow > 0 &&
            `, ${plural(inRow, isBad ? 'failure' : 'pass', isBad ? 'failures' : 'passes')} in a row`}
        </span>
      </p>
      {Object.keys(rest).length > 0 && <ValueTree value={rest} />}
    </>
  );
}

interface OverrideItemProps {
  readonly server: Server;
  readonly field: string;
  readonly override: Override;
}

function OverrideItem({ server, field, override: { value, config, discovered, by, at } }: OverrideItemProps) {
  const below = config ?? discovered;
  return (
    <li>
      <div>
        <strong>{field}</strong> {JSON.stringify(value)}
        {below !== undefined && <span class="muted"> instead of {JSON.stringify(below)}</span>}
        <small>
          {by === undefined ? '' : `by ${by}`}
          {at === undefined ? '' : `, ${dayOf(at)}, ${agoOf(at, now.value)}`}
        </small>
      </div>
      {mayChange.value && (
        <button type="button" class="small" onClick={() => void forget(server, field)}>
          Reset
        </button>
      )}
    </li>
  );
}
