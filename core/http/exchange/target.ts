// Request targets in absolute-form (RFC 9112 section 3.2.2), and their parts.

/** Returns the parts of an absolute-form target; undefined if Weldr does not accept it (only http or https, no user). */
export function splitAbsolute(
  target: string,
): { scheme: string; authority: string; rest: string } | undefined {
  const match = /^(https?):\/\/([^/?@]+)([/?].*)?$/i.exec(target);
  if (match === null) return undefined;
  const rest = match[3] ?? '';
  return {
    scheme: (match[1] ?? '').toLowerCase(),
    authority: match[2] ?? '',
    rest: rest.startsWith('?') ? `/${rest}` : rest,
  };
}
