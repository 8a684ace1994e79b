// Notifications of what was done, with the progress of drains.
import { useEffect, useRef } from 'preact/hooks';
import { plural } from '../data/format.ts';
import { nameOf } from '../data/server.ts';
import { servers } from '../data/servers.ts';
import { dismiss, type Toast, toasts } from '../data/toasts.ts';
import { Icon } from './icon.tsx';

export function ToastList() {
  return (
    <section class="toasts" aria-label="Notifications" aria-live="polite">
      {toasts.value.map(toast => (
        <div
          key={toast.id}
          class={`toast toast-${toast.kind}`}
          role={toast.kind === 'failed' ? 'alert' : undefined}
        >
          {toast.kind === 'draining' ? <Drain toast={toast} /> : <p>{toast.text}</p>}
          {toast.undo !== undefined && (
            <button
              type="button"
              class="link"
              onClick={() => {
                dismiss(toast.id);
                void toast.undo?.();
              }}
            >
              Undo
            </button>
          )}
          <button type="button" class="quiet square" aria-label="Dismiss" onClick={() => dismiss(toast.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </section>
  );
}

/** The progress until the servers are empty. */
function Drain({ toast }: { readonly toast: Toast }) {
  const wanted = new Set(toast.servers);
  const list = servers.value.filter(({ key }) => wanted.has(key));
  const left = list.reduce((sum, { inFlight = 0 }) => sum + inFlight, 0);
  const most = useRef(0);
  most.current = Math.max(most.current, left);
  const isOver = list.every(({ state }) => state !== 'draining');
  const isEmpty = left === 0;
  useEffect(() => {
    if (!isEmpty && !isOver) return;
    const timer = setTimeout(() => dismiss(toast.id), 15_000);
    return () => clearTimeout(timer);
  }, [isEmpty, isOver]);
  const [only] = list;
  const name = list.length === 1 && only !== undefined ? nameOf(only.id) : toast.text;
  const share = most.current === 0 ? 1 : 1 - left / most.current;
  return (
    <div class="drain">
      <p>
        {isEmpty
          ? `${name} is drained: no requests left`
          : `Draining ${name}: ${plural(left, 'request')} left`}
      </p>
      <progress max={1} value={share} aria-label={`Draining ${name}`} />
    </div>
  );
}
