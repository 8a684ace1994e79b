// The frame of all pages: navigation, connection, theme, user, and notifications.
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { connection, overview } from './data/live.ts';
import { linkTo } from './data/place.ts';
import { session, signOut } from './data/session.ts';
import { choose, type Theme, theme } from './data/theme.ts';
import { type PageEntry, pages } from './pages/list.ts';
import { Icon, type IconName } from './parts/icon.tsx';
import { ToastList } from './parts/toast-list.tsx';

export function Shell({
  current,
  children,
}: {
  readonly current: PageEntry;
  readonly children: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${current.title} · Weldr`;
    scrollTo(0, 0);
  }, [current.name]);
  return (
    <div class="shell">
      <a class="skip" href="#content" onClick={skip}>
        Skip to content
      </a>
      <header class="bar">
        <a class="brand" href={linkTo('overview')} aria-label="Weldr, overview">
          <Logo />
          <span>Weldr</span>
        </a>
        <nav aria-label="Pages">
          <ul>
            {pages.map(({ name, title }) => (
              <li key={name}>
                <a href={linkTo(name)} aria-current={name === current.name ? 'page' : undefined}>
                  <Icon name={name} />
                  <span>{title}</span>
                  {name === 'servers' && <DownCount />}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="foot">
          <ConnectionMark />
          <ThemeSwitch />
          <Who />
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <LostNote />
        {children}
      </main>
      <ToastList />
    </div>
  );
}

/** Moves the focus explicitly, because the fragment of the address names the page. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

function Logo() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" class="logo">
      <rect width="32" height="32" rx="8" />
      <path d="M6 9l5 14 5-11 5 11 5-14" />
      <circle cx="16" cy="12" r="2.6" />
    </svg>
  );
}

function DownCount() {
  const down = overview.value?.pools.reduce((sum, { states }) => sum + states.down, 0) ?? 0;
  if (down === 0) return null;
  return (
    <b class="badge">
      {down}
      <span class="unseen"> down</span>
    </b>
  );
}

const connectionWords = { connecting: 'Connecting', live: 'Live', lost: 'Connection lost' } as const;

function ConnectionMark() {
  return (
    <span class={`connection connection-${connection.value}`} role="status">
      <i aria-hidden="true" />
      {connectionWords[connection.value]}
    </span>
  );
}

function LostNote() {
  if (connection.value !== 'lost') return null;
  return (
    <p class="note note-warning" role="alert">
      <Icon name="warning" />
      <span>
        <strong>Weldr does not respond.</strong> You see the last known state until the connection is back.
      </span>
    </p>
  );
}

const themes: readonly { readonly name: Theme; readonly title: string; readonly icon: IconName }[] = [
  { name: 'system', title: 'System theme', icon: 'system' },
  { name: 'light', title: 'Light', icon: 'sun' },
  { name: 'dark', title: 'Dark', icon: 'moon' },
];

function ThemeSwitch() {
  return (
    <fieldset class="themes">
      <legend class="unseen">Theme</legend>
      {themes.map(({ name, title, icon }) => (
        <label key={name} title={title}>
          <input
            type="radio"
            name="theme"
            class="unseen"
            checked={theme.value === name}
            onChange={() => choose(name)}
          />
          <Icon name={icon} />
          <span class="unseen">{title}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Who() {
  const { role, by = '', withToken = false, version } = session.value ?? {};
  return (
    <div class="who">
      <span title={by}>
        {role === 'reader' ? 'Read only' : 'Operator'}
        {version !== undefined && <small>Weldr {version}</small>}
      </span>
      {withToken && (
        <button
          type="button"
          class="quiet square"
          aria-label="Sign out"
          title="Sign out"
          onClick={() => void signOut()}
        >
          <Icon name="out" />
        </button>
      )}
    </div>
  );
}
