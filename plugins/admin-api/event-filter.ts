// EventFilter: selects events: `?type=server,worker.died&pool=api`.
import { WeldrError } from '../../core/errors.ts';
import type { WeldrEvent } from '../../core/events/event.ts';

const maxTypes = 50;

/** A selection of events. */
export class EventFilter {
  private readonly types: readonly string[];
  private readonly pool: string | null;

  /** Throws INPUT_INVALID. */
  constructor(query: URLSearchParams) {
    this.types = query
      .getAll('type')
      .flatMap(text => text.split(','))
      .map(type => type.trim().replace(/\.\*$/, ''))
      .filter(type => type !== '');
    this.pool = query.get('pool');
    const bad = this.types.find(type => !/^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)?$/.test(type));
    if (bad === undefined && this.types.length <= maxTypes) return;
    const problem =
      bad === undefined
        ? `expected ${maxTypes} types at most`
        : `expected types such as server or worker.died, got ${JSON.stringify(bad).slice(0, 100)}`;
    throw new WeldrError('INPUT_INVALID', `type: ${problem}`, { field: 'type' });
  }

  matches({ type, pool }: WeldrEvent): boolean {
    if (this.pool !== null && pool !== this.pool) return false;
    return this.types.length === 0 || this.types.some(wanted => isOf(type, wanted));
  }
}

/** Returns whether `type` is the wanted type, or in the wanted group. */
function isOf(type: string, wanted: string): boolean {
  return type === wanted || (type.startsWith(wanted) && type[wanted.length] === '.');
}
