// Polled data: requested from the admin API when a page opens, and then repeatedly.
import { useEffect, useState } from 'preact/hooks';
import { find, textOf } from './api.ts';

export interface Asked<T> {
  readonly value: T | undefined;
  /** Whether the path exists; undefined until there is a response. */
  readonly isThere: boolean | undefined;
  readonly problem: string;
  again(): void;
}

/** Requests a path at once, then every `everyMs` while the page is visible. Without a path it does nothing. */
export function useAsked<T>(path: string | undefined, everyMs = 5000): Asked<T> {
  const [state, setState] = useState<Omit<Asked<T>, 'again'>>({
    value: undefined,
    isThere: undefined,
    problem: '',
  });
  const [wish, setWish] = useState(0);
  useEffect(() => {
    let over = false;
    const askNow = (): void => {
      if (path === undefined || document.visibilityState === 'hidden') return;
      find<T>(path).then(
        value => !over && setState({ value, isThere: value !== undefined, problem: '' }),
        thrown => !over && setState(before => ({ ...before, problem: textOf(thrown) })),
      );
    };
    askNow();
    const timer = setInterval(askNow, everyMs);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [path, everyMs, wish]);
  return { ...state, again: () => setWish(wish + 1) };
}
