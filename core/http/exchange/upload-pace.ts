// UploadPace: how fast a request body arrives, so a request that only waits for its client can give way to others.

/** A body is slow if it brought fewer bytes than this in the previous span of `slowTime`, ms, and so far in the current one. */
const slowBytes = 8 * 1024;
const slowTime = 500;

/** Why a request gave way. */
export function gaveWay(id: string): string {
  return `the body brought under ${slowBytes} bytes in ${slowTime} ms while others waited for a connection to ${id}`;
}

/** The pace of one body at a time; `now`: the time by `Deadlines.now`, ms. */
export class UploadPace {
  /** Bytes of the body so far. */
  private bytes = 0;
  /** When the current span began, and how many bytes had come by then. */
  private began = 0;
  private bytesBefore = 0;
  /** Bytes that came in the previous span. */
  private last = 0;

  /** Called when a body begins. */
  begin(now: number): void {
    this.bytes = 0;
    this.waited(now);
  }

  /** Called when the wait until now was not for the client: that time does not count as slow. */
  waited(now: number): void {
    this.beginSpan(slowBytes, now);
  }

  add(bytes: number, now: number): void {
    this.measure(now);
    this.bytes += bytes;
  }

  isSlow(now: number): boolean {
    this.measure(now);
    return this.last < slowBytes && this.bytes - this.bytesBefore < slowBytes;
  }

  /** Starts a new span if the current one is over. */
  private measure(now: number): void {
    if (now - this.began >= slowTime) this.beginSpan(this.bytes - this.bytesBefore, now);
  }

  private beginSpan(last: number, now: number): void {
    this.last = last;
    this.bytesBefore = this.bytes;
    this.began = now;
  }
}
