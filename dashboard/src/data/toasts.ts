// Notifications: what was done, its progress, and a way to undo it.
import { signal } from '@preact/signals';

export interface Toast {
  readonly id: number;
  readonly kind: 'done' | 'failed' | 'draining';
  readonly text: string;
  /** For a drain: the servers being drained. */
  readonly servers?: readonly string[];
  readonly undo?: () => Promise<void>;
}

const most = 4;
const staysMs = 10_000;

export const toasts = signal<readonly Toast[]>([]);
let lastId = 0;

export function tell(toast: Omit<Toast, 'id'>): void {
  const id = ++lastId;
  toasts.value = [...toasts.value, { ...toast, id }].slice(-most);
  // Errors and unfinished drains stay until they are closed.
  if (toast.kind === 'done') setTimeout(() => dismiss(id), staysMs);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter(toast => toast.id !== id);
}
