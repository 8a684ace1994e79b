// The page that is shown, in the fragment of the address: `#/servers?pool=api`.
import { computed, signal } from '@preact/signals';

const hash = signal(location.hash);
addEventListener('hashchange', () => {
  hash.value = location.hash;
});

export const page = computed(() => /^#\/([a-z]*)/.exec(hash.value)?.[1] || 'overview');
export const query = computed(() => new URLSearchParams(hash.value.split('?')[1] ?? ''));

export function linkTo(name: string, parameters: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(parameters).toString();
  return `#/${name}${text === '' ? '' : `?${text}`}`;
}
