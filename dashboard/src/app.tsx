// App: the sign-in, or the frame with the page in the address.
import { useEffect, useState } from 'preact/hooks';
import { textOf } from './data/api.ts';
import { startLive } from './data/live.ts';
import { page } from './data/place.ts';
import { askSession, session } from './data/session.ts';
import { pages } from './pages/list.ts';
import { SignInPage } from './pages/sign-in.tsx';
import { Shell } from './shell.tsx';

export function App() {
  const [problem, setProblem] = useState('');
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const begin = (): void => {
      askSession().then(startLive, thrown => {
        setProblem(textOf(thrown));
        timer = setTimeout(begin, 2000);
      });
    };
    begin();
    return () => clearTimeout(timer);
  }, []);
  if (session.value === undefined) return problem === '' ? <Splash /> : <Unreachable problem={problem} />;
  if (!session.value.signedIn) return <SignInPage />;
  const shown = pages.find(({ name }) => name === page.value) ?? pages[0];
  if (shown === undefined) return null;
  const { Page } = shown;
  return (
    <Shell current={shown}>
      <Page />
    </Shell>
  );
}

/** The same as in index.html, which is painted before any script is loaded. */
function Splash() {
  return (
    <p class="splash" role="status">
      Weldr
    </p>
  );
}

function Unreachable({ problem }: { readonly problem: string }) {
  return (
    <main class="alone">
      <h1>Weldr cannot be reached</h1>
      <p>{problem}. This page keeps trying.</p>
    </main>
  );
}
