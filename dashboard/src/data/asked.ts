// Polled data: what a page requests from the admin API when it is opened and repeatedly.
import { useEffect, useState } from 'preact/hooks';
import { find, textOf } from './api.ts';

export interface Asked<T> {
  readonly value: T | undefined;
  /** Was there a response? Without a value the path does not exist. */
  readonly isThere: boolean | undefined;
  readonly problem: string;
  again(): void;
}

/** Requests at once, then every `ms` while the page is visible; without a path nothing. */
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
