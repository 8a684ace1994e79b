// HttpDate: the Date of responses that come without one (RFC 9110 section 6.6.1).

let second = 0;
let text = '';

/** The current second, formatted once for all its responses. */
export function httpDate(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    text = new Date(now * 1000).toUTCString();
  }
  return text;
}
