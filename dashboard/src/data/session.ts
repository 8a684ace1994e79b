// The user of the page: signed in with a token, or admitted without one.
import { computed, signal } from '@preact/signals';
import { call, whenSignedOut } from './api.ts';

export interface Session {
  readonly signedIn: boolean;
  /** Whether it began with a token, so that the user can sign out. */
  readonly withToken?: boolean;
  readonly role?: 'operator' | 'reader';
  readonly by?: string;
  readonly version?: string;
}

/** Undefined: unknown yet. */
export const session = signal<Session | undefined>(undefined);
/** Why the page asks for a token again. */
export const signedOutBecause = signal('');

export const mayChange = computed(() => session.value?.role === 'operator');

whenSignedOut(() => {
  if (session.value?.signedIn !== true) return;
  signedOutBecause.value = 'Your session has ended. Sign in again to continue.';
  session.value = { signedIn: false };
});

export async function askSession(): Promise<void> {
  session.value = await call<Session>('GET', '/session');
}

export async function signIn(token: string): Promise<void> {
  await call('POST', '/session', { token });
  signedOutBecause.value = '';
  await askSession();
}

export async function signOut(): Promise<void> {
  await call('DELETE', '/session');
  signedOutBecause.value = 'You are signed out.';
  session.value = { signedIn: false };
}
