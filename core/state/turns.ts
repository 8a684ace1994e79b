// Turns: changes of one row happen one after another, those of different rows side by side.
import { type RowChange, rowId } from './row.ts';

/** The changes under way. */
export class Turns {
  /** The last change of each row. */
  private readonly last = new Map<string, Promise<unknown>>();

  /** Makes a change once the changes of all its rows before it are over. */
  async take<T>(rows: readonly Pick<RowChange, 'kind' | 'key'>[], change: () => Promise<T>): Promise<T> {
    const ids = rows.map(({ kind, key }) => rowId(kind, key));
    const before = ids.map(id => this.last.get(id)?.catch(() => {}));
    const turn = Promise.all(before).then(change);
    for (const id of ids) this.last.set(id, turn);
    try {
      return await turn;
    } finally {
      for (const id of ids) if (this.last.get(id) === turn) this.last.delete(id);
    }
  }
}
