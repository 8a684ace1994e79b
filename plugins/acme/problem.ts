// AcmeProblem: why a certificate authority issued no certificate, and the remedy.
import { z } from 'zod';

/** The most characters of an authority's message. */
const maxDetail = 500;
const maxName = 253;
const namespace = 'urn:ietf:params:acme:error:';

/** What failed: a problem of RFC 8555 section 6.7, or the connection to the authority. */
export interface AcmeProblemFacts {
  /** The last part of the type, such as `rateLimited`; `unreachable`: there was no answer. */
  readonly type: string;
  /** The authority's message. */
  readonly detail: string;
  /** The name concerned. */
  readonly domain?: string | undefined;
  /** How long the authority asks to wait, ms. */
  readonly retryAfter?: number | undefined;
}

/** A failure of an order. */
export class AcmeProblem extends Error {
  readonly type: string;
  readonly domain: string | undefined;
  readonly retryAfter: number | undefined;

  constructor({ type, detail, domain, retryAfter }: AcmeProblemFacts) {
    super(detail.replace(/\s+/g, ' ').slice(0, maxDetail));
    this.name = 'AcmeProblem';
    this.type = type.slice(0, maxName);
    this.domain = domain?.slice(0, maxName);
    this.retryAfter = retryAfter;
  }
}

const problemDocument = z.looseObject({
  type: z.string().catch('about:blank'),
  detail: z.string().optional().catch(undefined),
  subproblems: z
    .array(
      z.looseObject({
        type: z.string(),
        detail: z.string().default(''),
        identifier: z.looseObject({ value: z.string() }).optional(),
      }),
    )
    .optional()
    .catch(undefined),
});

/**
 * Returns the problem in a document (RFC 7807); if it has several subproblems, the first one.
 */
export function problemOf(
  document: unknown,
  about: Omit<Partial<AcmeProblemFacts>, 'type'> = {},
): AcmeProblem {
  const { data } = problemDocument.safeParse(document);
  const [first] = data?.subproblems ?? [];
  const { type, detail } = first ?? data ?? { type: 'about:blank', detail: undefined };
  return new AcmeProblem({
    ...about,
    type: type.startsWith(namespace) ? type.slice(namespace.length) : type,
    detail: detail ?? data?.detail ?? about.detail ?? 'it gave no reason',
    domain: first?.identifier?.value ?? about.domain,
  });
}

/** Returns what to do about a problem; undefined: unknown. */
export function remedyFor(
  { type, domain = 'the domain' }: AcmeProblem,
  directory: string,
): string | undefined {
  switch (type) {
    case 'connection':
    case 'tls':
      return `the authority has to reach this Weldr at http://${domain}, on port 80: check its A and AAAA records, the firewall and listen`;
    case 'dns':
      return `the authority finds no address of ${domain}: add an A or AAAA record that leads to this Weldr`;
    case 'unauthorized':
    case 'incorrectResponse':
      return `another server answers http://${domain}/.well-known/acme-challenge/: check its A and AAAA records, and what is in front of this Weldr`;
    case 'caa':
      return `a CAA record of ${domain} forbids it: allow this authority there, or choose another directory`;
    case 'rejectedIdentifier':
      return `the authority issues no certificate for ${domain}: use a public name that it accepts`;
    case 'rateLimited':
      return "wait; for trials use directory: 'letsencrypt-staging'";
    case 'externalAccountRequired':
      return 'set externalAccount to the values that the authority shows for your account there';
    case 'invalidContact':
    case 'unsupportedContact':
      return 'set email to an address that the authority accepts';
    case 'userActionRequired':
      return 'follow the link that the authority gives, then reload';
    case 'unreachable':
      return `${directory} has to be reachable from here, with a certificate from an authority that this system or the option ca trusts`;
    default:
      return undefined;
  }
}
