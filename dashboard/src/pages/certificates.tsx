// The certificates in use, and how long they last.
import { useAsked } from '../data/asked.ts';
import { dayOf, plural } from '../data/format.ts';
import { Empty } from '../parts/missing.tsx';

interface Certificate {
  readonly name: string;
  readonly names: readonly string[];
  readonly issuer?: string;
  readonly keyType?: string;
  readonly notAfter: string;
  readonly daysLeft: number;
  readonly layer: string;
  readonly defaultOf: readonly string[];
}

export function CertificatesPage() {
  const { value, problem } = useAsked<{ certificates: Certificate[] }>('/certificates', 30_000);
  const list = [...(value?.certificates ?? [])].sort((one, other) => one.daysLeft - other.daysLeft);
  return (
    <>
      <header class="page-head">
        <h1>Certificates</h1>
        <p class="muted">{value === undefined ? '' : plural(list.length, 'certificate')}</p>
      </header>
      {problem !== '' && <p class="problem">{problem}</p>}
      {value !== undefined && list.length === 0 && (
        <Empty title="No certificates">
          <p>
            Clients use plain HTTP. Set <code>tls</code> for a listener, or let <code>acme()</code> order
            certificates.
          </p>
        </Empty>
      )}
      <div class="cards">
        {list.map(certificate => (
          <CertificateCard key={certificate.name} certificate={certificate} />
        ))}
      </div>
    </>
  );
}

function CertificateCard({ certificate }: { readonly certificate: Certificate }) {
  const { name, names, issuer, keyType, notAfter, daysLeft, layer, defaultOf } = certificate;
  const level = daysLeft < 7 ? 'error' : daysLeft < 21 ? 'warning' : 'ok';
  const words = daysLeft < 0 ? 'expired' : `${plural(daysLeft, 'day')} left`;
  return (
    <section class="card certificate">
      <h2>{name}</h2>
      <p class={`days days-${level}`}>
        <strong>{words}</strong> <span class="muted">until {dayOf(notAfter)}</span>
      </p>
      <progress max={90} value={Math.max(0, Math.min(90, daysLeft))} aria-label={`${name}: ${words}`} />
      <dl class="facts">
        <dt>Names</dt>
        <dd>{names.join(', ')}</dd>
        {issuer !== undefined && <dt>Issuer</dt>}
        {issuer !== undefined && <dd>{issuer}</dd>}
        <dt>Key</dt>
        <dd>{keyType ?? '–'}</dd>
        <dt>Layer</dt>
        <dd>{layer}</dd>
        {defaultOf.length > 0 && <dt>Default of</dt>}
        {defaultOf.length > 0 && <dd>{defaultOf.join(', ')}</dd>}
      </dl>
    </section>
  );
}
