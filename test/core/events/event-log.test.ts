// The event log: ids, what is kept, and what a reader that returns gets.
import * as assert from 'uvu/assert';
import { eventOf } from '../../../core/events/event.ts';
import { EventLog, maxEvents } from '../../../core/events/event-log.ts';
import { FakeClock } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('event log');

const tell = (log: EventLog, text: string) => log.add({ type: 'test.told', text });

test('ids grow, over restarts too', () => {
  const clock = new FakeClock();
  const first = new EventLog(clock);
  const ids = ['a', 'b', 'c'].map(text => tell(first, text).id);
  assert.equal(
    ids,
    [...ids].sort((a, b) => a - b),
  );
  assert.is(first.last, ids[2]);
  clock.advance(1);
  assert.ok(tell(new EventLog(clock), 'after a restart').id > first.last);
  assert.ok(Number.isSafeInteger(first.last));
});

test('keeps the latest events, and reports that others are missing', () => {
  const log = new EventLog(new FakeClock());
  const begin = log.last;
  for (let count = 0; count <= maxEvents; count++) tell(log, String(count));
  assert.is(log.all.length, maxEvents);
  assert.is(log.all[0]?.text, '1');
  assert.is(log.after(begin).gap, true);
  assert.is(log.after(begin + 1).gap, false);
  assert.equal(
    log.after(log.last - 2).events.map(({ text }) => text),
    [String(maxEvents - 1), String(maxEvents)],
  );
  assert.equal(log.after(log.last), { events: [], gap: false });
});

test('reports a gap to a reader from a time that it does not know', () => {
  const log = new EventLog(new FakeClock());
  assert.is(log.after(log.last - 1).gap, true, 'before it began');
  tell(log, 'one');
  assert.equal(log.after(log.last + 10), { events: [], gap: true }, 'a clock that was set back');
  assert.is(log.after(log.last - 2).gap, true);
  assert.is(log.after(log.last - 1).gap, false);
});

test('a follower receives each event until it stops', () => {
  const log = new EventLog(new FakeClock());
  const heard: string[] = [];
  const stop = log.follow(({ text }) => void heard.push(text));
  tell(log, 'one');
  stop();
  tell(log, 'two');
  assert.equal(heard, ['one']);
});

test('continues after the events of another process', () => {
  const clock = new FakeClock();
  const before = new EventLog(clock);
  tell(before, 'before');
  clock.advance(1000);
  const log = new EventLog(clock);
  tell(log, 'while it starts');
  log.inherit(JSON.parse(JSON.stringify(before.heritage)));
  tell(log, 'after');
  assert.equal(
    log.all.map(({ text }) => text),
    ['before', 'while it starts', 'after'],
  );
  const { events, gap } = log.after(before.last);
  assert.equal([events.length, gap], [2, false], 'a follower of the other process misses nothing');
});

test('an event is bounded, on one line, frozen, and has known fields only', () => {
  const odd = {
    type: 'test.told',
    text: `a\nb\u001b[31m${'x'.repeat(1000)}`,
    secret: 'hunter2',
    pool: undefined,
  };
  const event = eventOf(1, 2, odd);
  assert.is(event.text.length, 500);
  assert.ok(event.text.startsWith('a b [31m'));
  assert.equal(Object.keys(event), ['id', 'at', 'type', 'severity', 'text']);
  assert.ok(Object.isFrozen(event));
  for (const type of ['', 'Server.state', 'a.b.c', 'a b', 'x'.repeat(80)]) {
    assert.throws(() => eventOf(1, 2, { type, text: '' }), /expected an event type such as server.state/);
  }
});
