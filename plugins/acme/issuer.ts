// Issuer: the authority that orders use. The library is loaded at the first order, and the account is kept in the ledger.
import type { Clock } from '../../core/time/clock.ts';
import type { Authority, AuthorityOptions, Issued, Order } from './authority.ts';
import { certificateId } from './certificate-id.ts';
import type { Ledger } from './ledger.ts';
import { adviceUrl, askAdvice, type RenewalAdvice } from './renewal-advice.ts';
import { Transport } from './transport.ts';

/** How long to remember whether an authority gives advice, ms. */
const adviceUrlLifetime = 24 * 3_600_000;

/** The collaborators of an {@link Issuer}. */
export interface IssuerOptions extends Pick<AuthorityOptions, 'directory' | 'email' | 'externalAccount'> {
  /** The trusted authorities, PEM; undefined: those that Node trusts. */
  readonly ca: string | undefined;
  readonly userAgent: string;
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** Aborts pending requests. */
  readonly signal: AbortSignal;
}

/** An order, and the certificate that it replaces (PEM). */
export interface IssueOptions extends Omit<Order, 'replaces'> {
  readonly before: string | undefined;
}

/** One authority, until `close`. Its methods reject with an AcmeProblem. */
export class Issuer {
  private readonly options: IssuerOptions;
  private readonly transport: Transport;
  private authority: Authority | undefined;
  private adviceUrl: { readonly url: string | undefined; readonly until: number } | undefined;

  constructor(options: IssuerOptions) {
    this.options = options;
    this.transport = new Transport(options);
  }

  /** Orders a certificate. Also rejects with STORE_UNAVAILABLE if the account's key cannot be stored. */
  async issue({ before, ...order }: IssueOptions): Promise<Issued> {
    this.authority ??= await this.open();
    const knows = before !== undefined && (await this.findAdviceUrl()) !== undefined;
    return await this.authority.issue({ ...order, replaces: knows ? certificateId(before) : undefined });
  }

  /** Resolves with the authority's advice on when to renew a certificate (PEM); undefined: it gives none. */
  async advice(cert: string): Promise<RenewalAdvice | undefined> {
    const url = await this.findAdviceUrl();
    return url === undefined ? undefined : await askAdvice(url, cert, this.source);
  }

  async close(): Promise<void> {
    await this.transport.close();
  }

  private get source() {
    return { ...this.options, transport: this.transport };
  }

  private async open(): Promise<Authority> {
    const { Authority, makeAccountKey } = await import('./authority.ts');
    const { ledger, directory } = this.options;
    let accountKey = ledger.accountKey(directory);
    if (accountKey === undefined) {
      accountKey = await makeAccountKey();
      await ledger.keepAccount(directory, accountKey);
    }
    return new Authority({ ...this.source, accountKey });
  }

  private async findAdviceUrl(): Promise<string | undefined> {
    const now = this.options.clock.now();
    if (this.adviceUrl === undefined || this.adviceUrl.until < now) {
      this.adviceUrl = { url: await adviceUrl(this.source), until: now + adviceUrlLifetime };
    }
    return this.adviceUrl.url;
  }
}
