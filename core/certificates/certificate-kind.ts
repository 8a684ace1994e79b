// Certificates as a kind of the state that changes at run time: by name, a certificate and its key.
import { z } from 'zod';
import { WeldrError } from '../errors.ts';
import type { Kind } from '../state/entity.ts';
import { expectObject, parseKnown, parseObject } from '../state/known-fields.ts';
import type { JsonObject } from '../state/merge-patch.ts';
import type { Clock } from '../time/clock.ts';
import { type Certificate, readCertificate } from './certificate.ts';
import { validityProblem } from './certificate-expiry.ts';
import { isCertificateName } from './certificate-name.ts';
import { certificateBlocks } from './pem.ts';

/** The name of the kind. */
export const certificateKindName = 'certificate';

/** Fields that are neither shown nor logged. */
export const certificateSecrets: readonly string[] = ['cert', 'key'];

const pem = z.string().min(1).max(100_000);

/** What an operator puts. */
export const certificateInput = z
  .strictObject({
    cert: pem.describe('The certificate as PEM, followed by its chain.'),
    key: pem.describe('Its key as PEM; it is never shown again.'),
    passphrase: z
      .string()
      .min(1)
      .max(1_024)
      .optional()
      .describe('The passphrase of an encrypted key, which is stored decrypted.'),
  })
  .describe('A certificate that clients are shown, with its key.');

const fields: ReadonlySet<string> = new Set(Object.keys(certificateInput.shape));

/** Makes the kind; `clock` decides whether a certificate that is put has expired. */
export function certificateKind(clock: Clock): Kind {
  return {
    name: certificateKindName,
    identity: [],
    secret: certificateSecrets,
    isWhole: true,
    isKey: isCertificateName,
    knows: field => fields.has(field),
    describe: name => `certificate ${name}; GET /certificates lists them`,
    lifetime: () => undefined,
    parse(name, value) {
      const { certificate, value: kept } = checked(name, parseObject(certificateInput, value));
      if (certificate.notAfter > clock.now()) return kept;
      throw invalid('cert', validityProblem(certificate, clock.now()) ?? 'has ended');
    },
    read: (name, value, ignored) =>
      checked(name, expectObject(parseKnown(certificateInput, value, ignored))).value,
  };
}

/** Returns the certificate of a checked value of the kind. */
export function certificateOf(name: string, value: JsonObject): Certificate {
  return known.get(value) ?? checked(name, value).certificate;
}

/** Returns a certificate as a value of the kind. */
export function certificateValue(certificate: Certificate): JsonObject {
  const { cert, key } = certificate;
  const value = { cert, key };
  known.set(value, certificate);
  return value;
}

/** Cached, because reading it costs more than the rest of a change. */
const known = new WeakMap<JsonObject, Certificate>();

/** Throws INPUT_INVALID for a certificate that cannot be used. */
function checked(name: string, value: JsonObject): { certificate: Certificate; value: JsonObject } {
  const { cert, key, passphrase } = certificateInput.parse(value);
  // A file may also hold the key, which is not meant to be kept with the certificate.
  const blocks = certificateBlocks(cert).join('\n');
  const made = readCertificate(blocks === '' ? cert : blocks, key, passphrase);
  if (!('name' in made)) throw invalid(made.field, made.message);
  const certificate = { ...made, name };
  return { certificate, value: certificateValue(certificate) };
}

const invalid = (field: string, message: string): WeldrError =>
  new WeldrError('INPUT_INVALID', `${field}: ${message}`, { field });
