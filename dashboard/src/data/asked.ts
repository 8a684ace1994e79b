// What a page asks the admin API for, when it is opened and again and again.
import { useEffect, useState } from 'preact/hooks';
import { find, textOf } from './api.ts';

export interface Asked<T> {
  readonly value: T | undefined;
  /** Was there an answer? Without a value it said that there is no such thing. */
  readonly isThere: boolean | undefined;
  readonly problem: string;
  again(): void;
}

/** Asks at once, then every so many ms while the page is shown; of no path it asks nothing. */
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
