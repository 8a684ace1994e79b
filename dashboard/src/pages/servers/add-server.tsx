// The form for a new server.
import { useState } from 'preact/hooks';
import { textOf } from '../../data/api.ts';
import { add } from '../../data/changes.ts';
import { chosenPool, pools } from '../../data/servers.ts';
import { Dialog } from '../../parts/dialog.tsx';

export function AddServer({ onClose }: { readonly onClose: () => void }) {
  const [url, setUrl] = useState('');
  const [pool, setPool] = useState(chosenPool.value === '' ? 'default' : chosenPool.value);
  const [weight, setWeight] = useState('1');
  const [isOut, setOut] = useState(false);
  const [problem, setProblem] = useState('');
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const whole = /^(?:\w+:\/\/|unix:)/.test(url) ? url : `http://${url}`;
    try {
      await add(pool, {
        url: whole.trim(),
        ...(weight !== '1' && { weight: Number(weight) }),
        ...(isOut && { state: 'disabled' }),
      });
      onClose();
    } catch (thrown) {
      setProblem(textOf(thrown));
    }
  };
  return (
    <Dialog title="Add server" onClose={onClose}>
      <form onSubmit={submit}>
        <label>
          Address
          <input
            required
            placeholder="http://10.0.0.7:3000"
            inputMode="url"
            spellcheck={false}
            autocomplete="off"
            value={url}
            aria-invalid={problem !== ''}
            aria-describedby="add-problem"
            onInput={({ currentTarget }) => setUrl(currentTarget.value)}
          />
        </label>
        <div class="fields">
          <label>
            Pool
            <select value={pool} onChange={({ currentTarget }) => setPool(currentTarget.value)}>
              {pools.value.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <label>
            Weight
            <input
              type="number"
              min="1"
              max="1000"
              required
              value={weight}
              onInput={({ currentTarget }) => setWeight(currentTarget.value)}
            />
          </label>
        </div>
        <label class="check">
          <input
            type="checkbox"
            checked={isOut}
            onChange={({ currentTarget }) => setOut(currentTarget.checked)}
          />
          Add as disabled
        </label>
        <p id="add-problem" class="problem" role="alert">
          {problem}
        </p>
        <footer>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary">
            Add
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
