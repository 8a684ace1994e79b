// HttpDate: what Date says in responses that come without one (RFC 9110 section 6.6.1).

let second = 0;
let text = '';

/** This second, made once for all responses in it. */
export function httpDate(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    text = new Date(now * 1000).toUTCString();
  }
  return text;
}
