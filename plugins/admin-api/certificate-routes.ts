// The routes of certificates: /certificates, /certificates/:name.

import { daysLeft } from '../../core/certificates/certificate-expiry.ts';
import { certificateInput, certificateKindName } from '../../core/certificates/certificate-kind.ts';
import { certificateName } from '../../core/certificates/certificate-name.ts';
import type { CertificateInfo } from '../../core/certificates/certificate-registry.ts';
import type { ManagerCertificates } from '../../core/certificates/manager-certificates.ts';
import { WeldrError } from '../../core/errors.ts';
import {
  type AdminAnswer,
  type AdminRequest,
  type AdminRoutes,
  overrideOf,
} from '../../core/plugin/admin.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import { etagOf } from '../../core/state/entity.ts';
import type { Clock } from '../../core/time/clock.ts';
import { type EntityChange, type EntityWritten, writeEntity } from './entity-write.ts';
import { dryRun, override } from './query-help.ts';
import { isSet } from './query-switch.ts';
import type { Link } from './server-resource.ts';

/** The collaborators of these routes. */
export interface CertificateRoutesOptions {
  readonly certificates: ManagerCertificates;
  readonly operator: OperatorPools;
  readonly clock: Clock;
}

/** The most bytes of a certificate with its key. */
const maxBytes = 512 * 1024;

/** Adds the routes of certificates. */
export function addCertificateRoutes(admin: AdminRoutes, options: CertificateRoutesOptions): void {
  const routes = new CertificateRoutes(options);
  const one = '/certificates/:name';
  const conditional = true;
  admin.add({
    method: 'GET',
    path: '/certificates',
    rel: 'certificates',
    summary: 'All certificates in use',
    answers: { 200: 'The certificates, without their keys' },
    handle: () => routes.list(),
  });
  admin.add({
    method: 'GET',
    path: one,
    rel: 'certificate',
    summary: 'One certificate',
    answers: { 200: 'The certificate, without its key' },
    handle: r => routes.show(r),
  });
  admin.add({
    method: 'PUT',
    path: one,
    rel: 'put-certificate',
    summary: 'Use a certificate, in place of the one of this name',
    query: { dryRun },
    body: certificateInput,
    answers: { 200: 'It existed', 201: 'It is new' },
    maxBody: maxBytes,
    conditional,
    handle: r => routes.put(r),
  });
  admin.add({
    method: 'DELETE',
    path: one,
    rel: 'remove-certificate',
    summary: 'Remove a certificate',
    query: { dryRun, override },
    answers: { 200: "The config's is used again", 204: 'It is removed' },
    conditional,
    handle: r => routes.remove(r),
  });
}

class CertificateRoutes {
  private readonly certificates: ManagerCertificates;
  private readonly operator: OperatorPools;
  private readonly clock: Clock;

  constructor({ certificates, operator, clock }: CertificateRoutesOptions) {
    this.certificates = certificates;
    this.operator = operator;
    this.clock = clock;
  }

  list(): AdminAnswer {
    const links: Link[] = [{ rel: 'self', href: '/certificates', method: 'GET' }];
    const certificates = this.certificates.list().map(info => this.resource(info));
    const stale = this.operator.stale ? { stale: true } : {};
    return { status: 200, body: { certificates, links, ...stale } };
  }

  show(request: AdminRequest): AdminAnswer {
    return this.shown(nameOf(request));
  }

  async put(request: AdminRequest): Promise<AdminAnswer> {
    const name = nameOf(request);
    const { answer, created } = await this.write(request, name, { op: 'put', value: request.body });
    return answer ?? this.shown(name, created ? 201 : 200);
  }

  /** Removes a certificate; with `?override` restores the config's. */
  async remove(request: AdminRequest): Promise<AdminAnswer> {
    const name = nameOf(request);
    const found = this.operator.row(certificateKindName, name) ?? this.certificates.get(name);
    if (found === undefined) throw unknown(name);
    const forgets = isSet(request, 'override');
    const write = forgets
      ? ({ op: 'forget', fields: overrideOf(request) } as const)
      : ({ op: 'remove' } as const);
    const { answer } = await this.write(request, name, write);
    if (answer !== undefined) return answer;
    return forgets ? this.shown(name) : { status: 204, body: undefined };
  }

  private write(request: AdminRequest, name: string, change: EntityChange): Promise<EntityWritten> {
    return writeEntity(this.operator, request, { kind: certificateKindName, key: name }, change);
  }

  private shown(name: string, status = 200): AdminAnswer {
    const info = this.certificates.get(name);
    if (info === undefined) throw unknown(name);
    const entity = this.operator.entity(certificateKindName, name);
    const headers: Record<string, string> = entity === undefined ? {} : { ETag: etagOf(entity) };
    return { status, body: this.resource(info), headers };
  }

  /** A certificate's facts as JSON, without its PEM text and key. */
  private resource({ notBefore, notAfter, shadows, ...info }: CertificateInfo) {
    const href = `/certificates/${encodeURIComponent(info.name)}`;
    const row = this.operator.row(certificateKindName, info.name);
    const links: Link[] = [
      { rel: 'self', href, method: 'GET' },
      { rel: 'put', href, method: 'PUT' },
      { rel: 'remove', href, method: 'DELETE' },
    ];
    return {
      ...info,
      notBefore: new Date(notBefore).toISOString(),
      notAfter: new Date(notAfter).toISOString(),
      daysLeft: daysLeft(notAfter, this.clock.now()),
      ...(shadows !== undefined && { shadows }),
      ...(row !== undefined && { by: row.by, at: row.at }),
      links,
    };
  }
}

const nameOf = ({ params: { name = '' } }: AdminRequest): string => certificateName(name);

const unknown = (name: string): WeldrError =>
  new WeldrError('NOT_FOUND', `there is no certificate ${name}; GET /certificates lists them`);
