// Asks for the weight of servers.
import { useState } from 'preact/hooks';
import { setWeight } from '../../data/changes.ts';
import { plural } from '../../data/format.ts';
import { nameOf, type Server } from '../../data/server.ts';
import { Dialog } from '../../parts/dialog.tsx';

interface WeightDialogProps {
  readonly servers: readonly Server[];
  readonly onClose: () => void;
}

export function WeightDialog({ servers, onClose }: WeightDialogProps) {
  const [weight, setText] = useState(String(servers[0]?.facts?.weight ?? 1));
  const [only] = servers;
  const name =
    servers.length === 1 && only !== undefined ? nameOf(only.id) : plural(servers.length, 'server');
  return (
    <Dialog title={`Weight of ${name}`} onClose={onClose}>
      <form
        onSubmit={event => {
          event.preventDefault();
          void setWeight(servers, Number(weight));
          onClose();
        }}
      >
        <label>
          Weight
          <input
            type="number"
            min="1"
            max="1000"
            required
            value={weight}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <p class="muted small">A server with weight 2 gets twice as many requests as one with weight 1.</p>
        <footer>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary">
            Set weight
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
