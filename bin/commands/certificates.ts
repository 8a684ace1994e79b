// `weldr certificates …`: the certificates that a running Weldr shows to clients.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import type { AdminClient } from '../admin-client.ts';
import { CommandError } from '../command-error.ts';
import { formatTable } from '../table.ts';
import { toJson, understood } from './servers.ts';

const certificate = z.looseObject({
  name: z.string(),
  names: z.array(z.string()),
  issuer: z.string(),
  keyType: z.string(),
  notAfter: z.string(),
  daysLeft: z.number(),
  layer: z.string(),
  defaultOf: z.array(z.string()).default([]),
});
const certificateList = z.looseObject({ certificates: z.array(certificate) });

/** The most names of a certificate that the table shows. */
const maxNames = 3;

/** Lists the certificates. */
export async function listCertificates(admin: AdminClient, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'GET', path: '/certificates' });
  if (json) return toJson(answer);
  const { certificates } = understood(certificateList, answer);
  if (certificates.length === 0) {
    return 'no certificates; add one: weldr certificates add shop.example --cert shop.pem --key shop.key';
  }
  return formatTable(
    ['CERTIFICATE', 'NAMES', 'ISSUER', 'KEY', 'DAYS LEFT', 'LAYER', 'DEFAULT OF'],
    certificates.map(({ name, names, issuer, keyType, daysLeft, layer, defaultOf }) => [
      name,
      names.length > maxNames ? `${names.slice(0, maxNames)},… (${names.length})` : names.join(),
      issuer,
      keyType,
      String(daysLeft),
      layer,
      defaultOf.join() || '-',
    ]),
  );
}

/** The files of a certificate. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  /** The file with the passphrase of an encrypted key. */
  readonly passphrase: string | undefined;
}

/** Adds a certificate, or replaces the one of this name. */
export async function addCertificate(
  admin: AdminClient,
  { name, files }: { readonly name: string; readonly files: CertificateFiles },
  json: boolean,
): Promise<string> {
  const passphrase = files.passphrase === undefined ? undefined : await content(files.passphrase);
  const answer = await admin.call({
    method: 'PUT',
    path: pathOf(name),
    body: {
      cert: await content(files.cert),
      key: await content(files.key),
      ...(passphrase !== undefined && { passphrase: passphrase.replace(/\r?\n$/, '') }),
    },
  });
  return json ? toJson(answer) : sentence(answer);
}

/** Removes a certificate that was added at run time. */
export async function removeCertificate(admin: AdminClient, name: string, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'DELETE', path: pathOf(name) });
  return json ? toJson(answer ?? {}) : `the certificate ${name} is removed`;
}

/** Shows the certificate of the config again. */
export async function resetCertificate(admin: AdminClient, name: string, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'DELETE', path: `${pathOf(name)}?override` });
  return json ? toJson(answer ?? {}) : sentence(answer);
}

const pathOf = (name: string): string => `/certificates/${encodeURIComponent(name)}`;

function sentence(answer: unknown): string {
  const { name, names, layer, notAfter, daysLeft } = understood(certificate, answer);
  return `${name} (${layer}) is shown for ${names.join(', ')}, until ${notAfter.slice(0, 10)} (${daysLeft} days)`;
}

async function content(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    throw new CommandError(`cannot read ${path}: ${describeError(thrown)}`);
  }
}
