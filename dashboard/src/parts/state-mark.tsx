// A server's state: by word, shape and colour.
import type { ServerState } from '../data/server.ts';

export const stateWords: Readonly<Record<ServerState, string>> = {
  active: 'Active',
  down: 'Down',
  draining: 'Draining',
  disabled: 'Disabled',
};

export function StateMark({
  state,
  word = stateWords[state],
}: {
  readonly state: ServerState;
  readonly word?: string;
}) {
  return (
    <span class={`state state-${state}`}>
      <i aria-hidden="true" />
      {word}
    </span>
  );
}
