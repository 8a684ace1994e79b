// acme: gets certificates from an authority such as Let's Encrypt, and renews them.
import type { z } from 'zod';
import { WeldrError } from '../../core/errors.ts';
import { channel, definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Scope } from '../../core/stages/scope.ts';
import type { Memory } from './acme-node.ts';
import { ChallengeAnswers } from './challenge-answers.ts';
import type { ToManager, ToWorker } from './challenge-board.ts';
import { acmeOptions } from './options.ts';

/** The options of `acme`, as written in a config. */
export type AcmeOptions = z.input<typeof acmeOptions>;

/** Before all filters: the authority's requests may come from any address. */
const first = -1_000;

/**
 * Orders certificates by ACME (RFC 8555) and renews them: `acme({ email: 'ops@shop.example', domains: ['shop.example'] })`.
 * By using it you agree to the authority's terms of service. Without a store the start fails with CONFIG_INVALID: authorities
 * limit orders, so certificates have to survive a restart.
 */
export const acme = definePlugin({
  name: 'acme',
  schema: acmeOptions,
  channel: channel<ToManager, ToWorker>(),
  memory: (): Memory => ({ cutOff: new Set() }),
  check(_options, { listen, warn, hasStore }) {
    if (!hasStore) {
      throw new WeldrError(
        'CONFIG_INVALID',
        'nothing keeps the account and the certificates across a restart, and authorities limit how many they issue; add poolFile() or etcd()',
      );
    }
    if (listen.every(({ tls }) => tls === undefined)) {
      warn('domains', 'no entry of listen has tls, so the certificates are not used; add one with tls: {}');
    }
  },
  worker({ hooks, channel: line, scope }) {
    refuseScope(scope);
    const answers = new ChallengeAnswers();
    hooks.request.tap({ name: 'acme', stage: first }, ctx => answers.for(ctx));
    line.onMessage(({ edition, answers: all }) => {
      answers.set(all);
      line.send({ edition });
    });
    line.send({ edition: 0 });
  },
  async manager(side, settings) {
    refuseScope(side.scope);
    const { startManager } = await import('./manager-side.ts');
    startManager(side, settings);
  },
});

function refuseScope({ kind }: Scope): void {
  if (kind === 'config') return;
  throw new WeldrError('CONFIG_INVALID', 'acme is for all requests: put it into the plugins of the config');
}
