// Events, newest first.
import { useSignal } from '@preact/signals';
import { events, mostEvents, type WeldrEvent } from '../data/events.ts';
import { agoOf, countOf, dayOf, plural, timeOf } from '../data/format.ts';
import { now } from '../data/live.ts';
import { matchesAll } from '../data/matching.ts';
import { FilterBox } from '../parts/filter-box.tsx';
import { Empty } from '../parts/missing.tsx';

const shownAtOnce = 200;

export function EventsPage() {
  const filter = useSignal('');
  const bad = useSignal(false);
  const all = events.value;
  if (all === undefined) {
    return (
      <>
        <header class="page-head">
          <h1>Events</h1>
        </header>
        <Empty title="This Weldr keeps no events">
          <p>
            Its admin API has no <code>GET /events</code>.
          </p>
        </Empty>
      </>
    );
  }
  const found = all.filter(
    event =>
      (!bad.value || event.severity !== 'info') &&
      matchesAll(
        filter.value,
        `${event.pool ?? ''} ${event.server ?? ''}`,
        `${event.type} ${event.text} ${event.by ?? ''}`,
      ),
  );
  return (
    <>
      <header class="page-head">
        <h1>Events</h1>
        <p class="muted">
          {all.length < mostEvents ? 'what happened' : `the last ${countOf(mostEvents)} events`}, newest first
        </p>
      </header>
      <div class="tools">
        <FilterBox
          value={filter.value}
          hint="Filter: server, pool, author"
          onChange={value => {
            filter.value = value;
          }}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={bad.value}
            onChange={({ currentTarget }) => {
              bad.value = currentTarget.checked;
            }}
          />
          Warnings and errors only
        </label>
      </div>
      {found.length === 0 ? (
        <Empty title={all.length === 0 ? 'No events yet' : 'No event matches'}>
          <p>
            {all.length === 0
              ? 'Nothing has happened since the start.'
              : `None of ${plural(all.length, 'event')} matches the filter.`}
          </p>
        </Empty>
      ) : (
        <ol class="card events">
          {found.slice(0, shownAtOnce).map(event => (
            <EventItem key={event.id} event={event} />
          ))}
        </ol>
      )}
      {found.length > shownAtOnce && (
        <p class="muted">{countOf(found.length - shownAtOnce)} more; filter to see them.</p>
      )}
    </>
  );
}

function EventItem({ event: { at, type, severity, text, by } }: { readonly event: WeldrEvent }) {
  return (
    <li class={`event event-${severity}`}>
      <time dateTime={new Date(at).toISOString()} title={`${dayOf(at)}, ${timeOf(at)}`}>
        {timeOf(at)}
        <small>{agoOf(at, now.value)}</small>
      </time>
      <div>
        <p>{text}</p>
        <small>
          {severity === 'info' ? '' : `${severity} · `}
          {type}
          {by === undefined ? '' : ` · by ${by}`}
        </small>
      </div>
    </li>
  );
}
