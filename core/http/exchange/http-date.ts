// HttpDate: the Date for responses that have none (RFC 9110 section 6.6.1).

let second = 0;
let text = '';

/** Returns the current second, formatted once for all responses within it. */
export function httpDate(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    text = new Date(now * 1000).toUTCString();
  }
  return text;
}
