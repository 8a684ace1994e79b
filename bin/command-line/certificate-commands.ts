// Certificate commands: `weldr certificates …`.
import { usageError } from '../command-error.ts';
import { adminOf, type Command, print } from './command.ts';
import { adminFlags } from './flags.ts';

export const certificateCommands: readonly Command[] = [
  {
    usage: 'certificates',
    text: 'List the certificates that clients are shown',
    flags: adminFlags,
    async run(_, given) {
      const { listCertificates } = await import('../commands/certificates.ts');
      return print(await listCertificates(adminOf(given), given.isOn('json')));
    },
  },
  {
    usage: 'certificates add <name>',
    text: 'Add a certificate, or replace the one of this name',
    flags: ['cert', 'key', 'passphrase-file', ...adminFlags],
    async run([name = ''], given) {
      const { addCertificate } = await import('../commands/certificates.ts');
      const [cert, key] = [given.text('cert'), given.text('key')];
      if (cert === undefined || key === undefined) {
        throw usageError('weldr certificates add: --cert FILE and --key FILE are both needed');
      }
      const files = { cert, key, passphrase: given.text('passphrase-file') };
      return print(await addCertificate(adminOf(given), { name, files }, given.isOn('json')));
    },
  },
  {
    usage: 'certificates remove <name>',
    text: 'Remove a certificate that was added at run time',
    flags: adminFlags,
    async run([name = ''], given) {
      const { removeCertificate } = await import('../commands/certificates.ts');
      return print(await removeCertificate(adminOf(given), name, given.isOn('json')));
    },
  },
  {
    usage: 'certificates reset <name>',
    text: 'Drop a run-time certificate: the one in the config is shown again',
    flags: adminFlags,
    async run([name = ''], given) {
      const { resetCertificate } = await import('../commands/certificates.ts');
      return print(await resetCertificate(adminOf(given), name, given.isOn('json')));
    },
  },
];
