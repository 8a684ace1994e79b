// Redaction: hides secrets in URLs before they are logged: values of secret parameters, and passwords before a host.

/** Parameters whose values are always secret. In lower case. */
export const knownSecrets: readonly string[] = [
  'access_token',
  'api-key',
  'api_key',
  'apikey',
  'assertion',
  'auth',
  'auth_token',
  'authorization',
  'client_secret',
  'code_verifier',
  'credential',
  'credentials',
  'id_token',
  'jwt',
  'passphrase',
  'passwd',
  'password',
  'private_key',
  'pwd',
  'refresh_token',
  'samlresponse',
  'secret',
  'session',
  'session_id',
  'sessionid',
  'sig',
  'signature',
  'token',
  'x-amz-credential',
  'x-amz-security-token',
  'x-amz-signature',
  'x-goog-credential',
  'x-goog-signature',
];

const shown = '***';
/** The most parameters that are looked at; all further ones count as secret. */
const maxParameters = 256;

/** Which parameters are secret: these, besides the known ones; all of them; none. */
export type Secrets = readonly string[] | 'all' | false;

/** Removes secrets from URLs. */
export class Redaction {
  private readonly names: ReadonlySet<string>;
  private readonly secrets: Secrets;

  constructor(secrets: Secrets) {
    this.secrets = secrets;
    const more = typeof secrets === 'object' ? secrets : [];
    this.names = new Set([...knownSecrets, ...more.map(name => name.toLowerCase())]);
  }

  /** A request's target, or a URL, with `***` for secret values. */
  of(url: string): string {
    const query = url.indexOf('?');
    if (query < 0 || this.secrets === false) return url;
    const begin = url.slice(0, query + 1);
    return begin + this.redacted(url.slice(query + 1));
  }

  /** The same for a URL that may have a name and a password before its host. */
  ofUrl(url: string): string {
    return this.of(
      url.includes('@') ? url.replace(/^([a-z][a-z\d+.-]*:)?\/\/[^/?#]*@/i, `$1//${shown}@`) : url,
    );
  }

  private redacted(query: string): string {
    let text = '';
    let count = 0;
    for (let pos = 0; pos <= query.length; ) {
      if (++count > maxParameters) return text + shown;
      const end = endOf(query, pos);
      const equals = query.indexOf('=', pos);
      const hasValue = equals >= 0 && equals < end;
      if (hasValue && this.isSecret(query.slice(pos, equals))) text += query.slice(pos, equals + 1) + shown;
      else text += query.slice(pos, end);
      if (end < query.length) text += query[end];
      pos = end + 1;
    }
    return text;
  }

  /** Frameworks read `user[password]` as a parameter too, so a secret name within brackets counts. */
  private isSecret(name: string): boolean {
    if (this.secrets === 'all') return true;
    const read = decoded(name).toLowerCase();
    if (this.names.has(read)) return true;
    return read.includes('[') && read.split(/[[\]]+/).some(part => this.names.has(part));
  }
}

/** Servers split a query at `&`, some also at `;`. */
function endOf(query: string, pos: number): number {
  for (let i = pos; i < query.length; i++) {
    const char = query.charCodeAt(i);
    if (char === 0x26 || char === 0x3b) return i;
  }
  return query.length;
}

function decoded(name: string): string {
  if (!name.includes('%') && !name.includes('+')) return name;
  return name
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}
