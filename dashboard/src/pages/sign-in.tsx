// The sign-in with a token of the admin API.
import { useEffect, useRef, useState } from 'preact/hooks';
import { textOf } from '../data/api.ts';
import { signedOutBecause, signIn } from '../data/session.ts';

export function SignInPage() {
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = 'Sign in · Weldr';
    input.current?.focus();
  }, []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem('');
    try {
      await signIn(token);
    } catch (thrown) {
      setProblem(sentenceOf(textOf(thrown)));
      setBusy(false);
      input.current?.select();
    }
  };
  return (
    <main class="alone">
      <form class="card sign-in" onSubmit={submit}>
        <img src="./icon.svg" alt="" width="48" height="48" />
        <h1>Sign in to Weldr</h1>
        {signedOutBecause.value !== '' && <p class="muted">{signedOutBecause.value}</p>}
        <label>
          Admin token
          <input
            ref={input}
            type="password"
            name="token"
            required
            autocomplete="current-password"
            spellcheck={false}
            value={token}
            aria-invalid={problem !== ''}
            aria-describedby="sign-in-problem"
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        <p id="sign-in-problem" class="problem" role="alert">
          {problem}
        </p>
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
        <p class="muted small">
          The <code>token</code> of <code>adminApi()</code>, or its <code>readToken</code> for read-only
          access.
        </p>
      </form>
    </main>
  );
}

const sentenceOf = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
