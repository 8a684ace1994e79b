// Turns errors from elsewhere into sentences for people: zod's issues, OpenSSL's codes, errors without a message.

/** The most characters of one message; the stack has the rest. */
const maxLength = 2_000;
const maxIssues = 5;

/** What OpenSSL's reasons mean. */
const tlsReasons: Readonly<Record<string, string>> = {
  'no start line': 'this is not PEM, which begins with -----BEGIN',
  'bad base64 decode': 'the PEM is damaged',
  'bad decrypt': 'the key is encrypted, and this is not its passphrase',
  'interrupted or cancelled': 'the key is encrypted, and there is no passphrase for it',
  'key values mismatch': 'the key does not belong to the certificate',
  'ee key too small': 'its key is too short to be secure; make one of 2048 bits (RSA) or 256 (EC)',
  'ca key too small': 'the key of its authority is too short to be secure',
  'ca md too weak': 'its signature is too weak to be secure; have it signed with SHA-256',
  'wrong version number': 'the other side does not speak TLS there',
};

const openssl = /(?:[0-9A-F]+:)?error:[0-9A-F]{8}:[^:]*:[^:]*:([^:\n]+)(?::\S*)?/g;

/** The message of an error; may be empty. */
export function messageOf(error: Error): string {
  // Errors of plugins may have anything for a message.
  const message = issuesOf(error) ?? String(error.message);
  return shortened(message.replace(openssl, (_, reason: string) => tlsReasons[reason] ?? `TLS: ${reason}`));
}

/** The text of a thrown value that is no Error, such as `throw undefined`. */
export function thrownText(thrown: unknown): string {
  const text = String(thrown);
  return thrown === undefined || thrown === null || text === ''
    ? `${text || 'an empty text'} was thrown`
    : text;
}

function shortened(text: string): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength)}… (${text.length} characters)`;
}

/** A ZodError's message is its issues as JSON, over many lines. */
function issuesOf(error: Error): string | undefined {
  const issues: unknown = error.name.endsWith('ZodError') ? Reflect.get(error, 'issues') : undefined;
  if (!Array.isArray(issues) || issues.length === 0) return undefined;
  const texts = issues.slice(0, maxIssues).map(issueText);
  const more = issues.length > maxIssues ? [`${issues.length - maxIssues} more`] : [];
  return [...texts, ...more].join('; ');
}

function issueText(issue: unknown): string {
  if (typeof issue !== 'object' || issue === null) return String(issue);
  const path: unknown = Reflect.get(issue, 'path');
  const message = String(Reflect.get(issue, 'message')).replace(/^Invalid input: /, '');
  return Array.isArray(path) && path.length > 0 ? `${path.map(String).join('.')}: ${message}` : message;
}
